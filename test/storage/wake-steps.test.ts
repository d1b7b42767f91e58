/**
 * Waking makes due as many as were asked for, the first in their order, of what waits for exactly that.
 */
import t from "tap";
import type { TenantUid } from "../../src/core/ids.ts";
import { makeClaimStore } from "../../src/storage/claim-store.ts";
import type { Pool } from "../../src/storage/pool.ts";
import { forEachDatabase } from "./test-database.ts";

const TENANT = "01990000-0000-7000-8000-000000000001" as TenantUid;
const RUN = "01990000-0000-7000-8000-0000000000aa";

/** Steps that were put back for an hour: name, what for, and their priority. */
const WAITING = [
  ["crm_low", "concurrency_key", "crm", 0],
  ["crm_high", "concurrency_key", "crm", 9],
  ["crm_mid", "concurrency_key", "crm", 5],
  ["mail", "concurrency_key", "mail", 20],
  ["quota", "quota", "crm", 20],
  ["pressure", "backpressure", null, 0],
  ["retry", "retry", null, 20],
] as const;

async function plant(pool: Pool): Promise<void> {
  const run = `'${TENANT}', '${RUN}'`;
  const names = WAITING.map(([name]) => name);
  const statements = [
    `insert into stepgate.tenants (tenant_uid, tenant_id) values ('${TENANT}', 'default')`,
    `insert into stepgate.manifests (tenant_uid, manifest_id, body) values ('${TENANT}', 'm', '{}')`,
    `insert into stepgate.runs (tenant_uid, run_uid, submission_digest, kind, op_id, manifest_id, caller_key_id, caller_owner, caller_roles)
     values (${run}, 'd', 'dag', 'o', 'm', 'k', 'o', '{admin}')`,
    `insert into stepgate.run_heads (tenant_uid, run_uid, status, open_steps, ready_rows, unplaced_steps, max_parallel)
     values (${run}, 'pending', ${names.length}, ${names.length}, 0, 100)`,
    `insert into stepgate.steps (tenant_uid, run_uid, step_id, idx, type, status, spec, input_blob, pending_dependencies,
                                 total_dependencies, first_ready_at)
     select ${run}, name, idx, 'http', 'queued', '{}', '${RUN}', 0, 0, now()
       from unnest('{${names.join()}}'::text[]) with ordinality as x (name, idx)`,
    ...WAITING.map(
      ([name, reason, of, priority]) =>
        `insert into stepgate.ready_steps (tenant_uid, run_uid, step_id, type, is_contracted, breach_at, priority, ready_at,
                                           not_before, attempts_made, deferred_for, deferred_by)
         values (${run}, '${name}', 'http', false, 'infinity', ${priority}, now(), now() + interval '1 hour', 0, '${reason}',
                 ${of === null ? "null" : `'${of}'`})`,
    ),
  ];
  for (const statement of statements) await pool.query(statement);
}

t.test("as many as were asked for are due, the first in their order, and nothing else", async (t) => {
  await forEachDatabase(t, async (t, { pool }) => {
    await plant(pool);
    const { wake } = makeClaimStore({ pool, workerId: "w" });
    const due = async () => {
      const { rows } = await pool.query<{ step_id: string }>(
        "select step_id from stepgate.ready_steps where not_before <= now() order by step_id",
      );
      return rows.map(({ step_id: stepId }) => stepId);
    };
    const crm = { tenantUid: TENANT, reason: "concurrency_key", of: "crm", steps: 1 } as const;
    t.equal(await wake([{ ...crm, of: "nobody" }]), 0);
    t.equal(await wake([{ ...crm, tenantUid: RUN as TenantUid }]), 0, "not of another tenant");
    t.equal(await wake([crm]), 1);
    t.same(await due(), ["crm_high"]);
    t.equal(
      await wake([
        { ...crm, steps: 5 },
        { ...crm, reason: "backpressure", of: undefined },
      ]),
      3,
    );
    t.same(await due(), ["crm_high", "crm_low", "crm_mid", "pressure"]);
    t.equal(await wake([{ ...crm, steps: 5 }]), 0, "who is due already is not woken");
    await pool.query(
      "update stepgate.ready_steps set state = 'leased', lease_owner = 'w', lease_epoch = 1 where step_id = 'mail'",
    );
    t.equal(await wake([{ ...crm, of: "mail" }]), 0, "nor who is in somebody's hands");
  });
});
