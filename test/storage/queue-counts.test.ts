/**
 * Counts of the queue are exact up to a number, and cost no more than that number, however many steps wait behind it.
 */
import t from "tap";
import type { TenantUid } from "../../src/core/ids.ts";
import type { Pool } from "../../src/storage/pool.ts";
import { makeQueueStore } from "../../src/storage/queue-store.ts";
import { COUNT_OTHERS, COUNT_READY } from "../../src/storage/statements/queue.ts";
import { forEachDatabase } from "./test-database.ts";

const TENANT = "01990000-0000-7000-8000-000000000001" as TenantUid;
const RUNS = 40;
const STEPS = 500;
const PLACED = 300;
const MOST = 100;

/** Runs of steps of two types, all queued, the first of each run with a row in the queue; one of those is leased. */
async function plant(pool: Pool): Promise<void> {
  const run = "('01990000-0000-7000-8000-' || lpad(to_hex(r), 12, '0'))::uuid";
  const statements = [
    `insert into stepgate.tenants (tenant_uid, tenant_id) values ('${TENANT}', 'default')`,
    `insert into stepgate.manifests (tenant_uid, manifest_id, body) values ('${TENANT}', 'm', '{}')`,
    `insert into stepgate.runs (tenant_uid, run_uid, submission_digest, kind, op_id, manifest_id, caller_key_id, caller_owner, caller_roles)
     select '${TENANT}', ${run}, 'd', 'dag', 'o', 'm', 'k', 'o', '{admin}' from generate_series(1, ${RUNS}) r`,
    `insert into stepgate.run_heads (tenant_uid, run_uid, status, open_steps, ready_rows, unplaced_steps, max_parallel)
     select '${TENANT}', ${run}, 'pending', ${STEPS}, ${PLACED}, ${STEPS - PLACED}, ${PLACED} from generate_series(1, ${RUNS}) r`,
    `insert into stepgate.steps (tenant_uid, run_uid, step_id, idx, type, status, spec, input_blob, pending_dependencies,
                                 total_dependencies, first_ready_at)
     select '${TENANT}', ${run}, 's' || s, s, case s % 2 when 0 then 'http' else 'tool' end, 'queued', '{}', ${run}, 0, 0, now()
       from generate_series(1, ${RUNS}) r, generate_series(1, ${STEPS}) s`,
    `insert into stepgate.ready_steps (tenant_uid, run_uid, step_id, type, is_contracted, breach_at, priority, ready_at, not_before, attempts_made)
     select tenant_uid, run_uid, step_id, type, false, 'infinity', priority, first_ready_at, first_ready_at, 0
       from stepgate.steps where idx <= ${PLACED}`,
    `update stepgate.ready_steps set state = 'leased', lease_owner = 'w', lease_epoch = 1
      where step_id = 's1' and run_uid = '01990000-0000-7000-8000-000000000001'`,
    ...["ready_steps", "steps", "run_heads"].map((table) => `vacuum analyze stepgate.${table}`),
  ];
  for (const statement of statements) await pool.query(statement);
}

/** Pages that a statement looks at. */
async function pagesOf(pool: Pool, statement: string): Promise<number> {
  const text = statement.replaceAll("$1", `'${TENANT}'::uuid`).replaceAll("$2", String(MOST));
  const { rows } = await pool.query<{ "QUERY PLAN": string }>(`explain (analyze, buffers, costs off) ${text}`);
  const [, hit = 0, read = 0] =
    /Buffers: shared hit=(\d+)(?: read=(\d+))?/.exec(rows.map((row) => row["QUERY PLAN"]).join()) ?? [];
  return Number(hit) + Number(read);
}

t.test("counts are of all steps, or say that there are at least so many, and look at no more than that", async (t) => {
  await forEachDatabase(t, async (t, { pool }) => {
    await plant(pool);
    const whole = await makeQueueStore(pool, { maxReady: RUNS * STEPS + 1, maxOthers: RUNS * STEPS + 1 }).read(TENANT);
    const placed = (RUNS * PLACED) / 2;
    const unplaced = (RUNS * (STEPS - PLACED)) / 2;
    t.equal(whole.isPartial, false);
    t.same(
      whole.counts.map(({ type, state, count, oldestReadyMs }) => [type, state, count, oldestReadyMs !== undefined]),
      [
        ["http", "queued", placed, true],
        ["http", "queued", unplaced, false],
        ["tool", "leased", 1, true],
        ["tool", "queued", placed - 1, true],
        ["tool", "queued", unplaced, false],
      ],
    );
    const part = await makeQueueStore(pool, { maxReady: MOST, maxOthers: MOST }).read(TENANT);
    t.equal(part.isPartial, true);
    const queued = part.counts.filter(({ state }) => state === "queued");
    t.equal(
      queued.reduce((sum, { count }) => sum + count, 0),
      MOST,
      "the first in the queue",
    );
    t.match(
      part.counts.filter(({ state }) => state === "leased"),
      [{ count: 1 }],
      "what is in hand is counted whole",
    );
    for (const [statement, most] of [
      [COUNT_READY, MOST * 2],
      [COUNT_OTHERS, MOST * 6],
    ] as const) {
      const pages = await pagesOf(pool, statement);
      t.ok(pages > 0 && pages < most, `${pages} pages are looked at, of at most ${most}`);
    }
    await pool.query("delete from stepgate.ready_steps");
    await pool.query("update stepgate.run_heads set status = 'cancelled'");
    t.match(await makeQueueStore(pool).read(TENANT), { isPartial: false, counts: [] }, "nothing waits");
  });
});
