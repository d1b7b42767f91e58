/**
 * What cannot run costs nothing: a claim, and the looks beside it, read no more pages however many steps are stuck, and
 * whatever keeps them. Pages are counted, not time.
 */
import t from "tap";
import type { Pool } from "../../src/storage/pool.ts";
import { forEachDatabase } from "./test-database.ts";

const TENANT = "01990000-0000-7000-8000-000000000001";
const OTHER = "01990000-0000-7000-8000-000000000002";
const FEW = 40;
const MANY = 2000;
/** Steps of the other tenant, all due. */
const DUE = 64;
const STEPS_A_RUN = 4;

const CLAIM = "select * from stepgate.claim_steps('w', '{sink}', 64, $idle, false)";
const QUERIES: readonly (readonly [string, string])[] = [
  ["a claim", CLAIM.replace("$idle", "false")],
  ["a claim with empty hands", CLAIM.replace("$idle", "true")],
  ["the look for steps that must run alone", "select stepgate.should_empty('w', '{sink}')"],
  ["the look for steps past their time", "select * from stepgate.lease_overdue('w', 128)"],
  ["the look for what dead workers left", "select stepgate.release_lapsed(128)"],
];

const STUCK = `where tenant_uid = '${TENANT}'`;
const PAUSED_RUNS = `update stepgate.run_heads set status = 'paused_at_step', paused_from = 'pending' ${STUCK}`;
const ALONE = `update stepgate.ready_steps set is_alone = true ${STUCK}`;
const LATER = `update stepgate.ready_steps set not_before = now() + interval '1 hour', deferred_for = 'quota' ${STUCK}`;
const WAYS: Readonly<Record<string, readonly string[]>> = {
  "runs are paused": [PAUSED_RUNS],
  "runs are paused, steps past their deadlines": [
    `update stepgate.steps set deadline_at = now() - interval '1 s' ${STUCK}`,
    PAUSED_RUNS,
  ],
  "runs are paused, past their limits": [
    `update stepgate.run_heads set time_limit_at = now() - interval '1 s' ${STUCK}`,
    PAUSED_RUNS,
  ],
  "the tenant is paused": [`update stepgate.tenants set is_paused = true ${STUCK}`],
  "they wait for a retry, a quota, a concurrency key or pressure to fall": [LATER],
  "they wait in paused runs": [LATER, PAUSED_RUNS],
  "they were lost, and wait": [ALONE, LATER],
  "they were lost, and their runs are paused": [ALONE, PAUSED_RUNS],
};

async function plant(pool: Pool, stuck: number): Promise<void> {
  const run = (tenant: string) => `('${tenant.slice(0, 24)}' || lpad(to_hex(r), 12, '0'))::uuid`;
  const of = (tenant: string, runs: number) => {
    const from = tenant === TENANT ? 16 : 100_000;
    return [
      `insert into stepgate.tenants (tenant_uid, tenant_id) values ('${tenant}', '${tenant}')`,
      `insert into stepgate.manifests (tenant_uid, manifest_id, body) values ('${tenant}', 'm', '{}')`,
      `insert into stepgate.runs (tenant_uid, run_uid, submission_digest, kind, op_id, manifest_id, caller_key_id, caller_owner, caller_roles)
       select '${tenant}', ${run(tenant)}, 'd', 'dag', 'o', 'm', 'k', 'o', '{admin}' from generate_series(${from}, ${from + runs - 1}) r`,
      `insert into stepgate.run_heads (tenant_uid, run_uid, status, open_steps, ready_rows, max_parallel)
       select tenant_uid, run_uid, 'pending', ${STEPS_A_RUN}, ${STEPS_A_RUN}, ${STEPS_A_RUN} from stepgate.runs where tenant_uid = '${tenant}'`,
      `insert into stepgate.steps (tenant_uid, run_uid, step_id, idx, type, status, spec, input_blob, pending_dependencies,
                                   total_dependencies, first_ready_at)
       select tenant_uid, run_uid, 's' || s, s, 'sink', 'queued', '{}', run_uid, 0, 0, now() - interval '1 minute'
         from stepgate.runs, generate_series(1, ${STEPS_A_RUN}) s where tenant_uid = '${tenant}'`,
      `insert into stepgate.ready_steps (tenant_uid, run_uid, step_id, type, is_contracted, breach_at, priority, ready_at, not_before, attempts_made)
       select tenant_uid, run_uid, step_id, type, false, 'infinity', priority, first_ready_at, first_ready_at, 0
         from stepgate.steps where tenant_uid = '${tenant}'`,
    ];
  };
  const statements = [
    ...of(TENANT, stuck / STEPS_A_RUN),
    ...of(OTHER, Math.ceil(DUE / STEPS_A_RUN)),
    "select stepgate.extend_lease('w', 1, 'h', 600000)",
  ];
  for (const statement of statements) await pool.query(statement);
}

class RolledBack extends Error {}

/** Pages that a statement reads, with the plans of a session that has them; nothing of what it does stays. */
async function pagesOf(pool: Pool, statement: string): Promise<{ readonly pages: number; readonly rows: number }> {
  let found = { pages: Number.POSITIVE_INFINITY, rows: Number.NaN };
  // at first its plans, and what they need of the catalogue, are read too
  for (let time = 0; time < 3; time += 1) {
    try {
      await pool.transaction(async (connection) => {
        const { rows } = await connection.query<{ "QUERY PLAN": string }>(
          `explain (analyze, buffers, costs off, timing off) ${statement}`,
        );
        const plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
        const [, hit = 0, read = 0] = /Buffers: shared hit=(\d+)(?: read=(\d+))?/.exec(plan) ?? [];
        const [, count] = /actual rows=([\d.]+)/.exec(plan) ?? [];
        found = { pages: Math.min(found.pages, Number(hit) + Number(read)), rows: Number(count) };
        throw new RolledBack();
      });
    } catch (caught) {
      if (!(caught instanceof RolledBack)) throw caught;
    }
  }
  return found;
}

t.test("claims and looks read as many pages beside 2 000 stuck steps as beside 40, whatever keeps them", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const found = new Map<string, number>();
    // one session, whose plans are made when a statement is measured
    const pool = database.openPool({ maxConnections: 1 });
    for (const stuck of [FEW, MANY]) {
      await plant(pool, stuck);
      for (const [way, statements] of Object.entries(WAYS)) {
        for (const statement of statements) await pool.query(statement);
        // what was written over is seen until a vacuum takes it, and somebody's old snapshot may keep it from that
        await pool.transaction(async (connection) => {
          for (const table of ["ready_steps", "steps"]) {
            await connection.query(`create temp table kept on commit drop as select * from stepgate.${table}`);
            await connection.query(`truncate stepgate.${table}`);
            await connection.query(`insert into stepgate.${table} select * from kept`);
            await connection.query("drop table kept");
          }
        });
        await pool.query("vacuum analyze stepgate.ready_steps, stepgate.steps, stepgate.run_heads, stepgate.tenants");
        for (const [name, query] of QUERIES) {
          const { pages, rows } = await pagesOf(pool, query);
          if (query.includes("claim_steps")) t.equal(rows, DUE, `${way}: ${name} gives all that are due`);
          const of = `${way}: ${name}`;
          const few = found.get(of) ?? pages;
          found.set(of, few);
          // a level more of several indexes for each step that is leased; all 2 000 rows stand in 450 pages, their runs in 60
          t.ok(pages <= few * 1.5 + 10, `${of} reads ${pages} pages beside ${stuck}, ${few} beside ${FEW}`);
        }
        for (const statement of [
          `update stepgate.tenants set is_paused = false ${STUCK}`,
          `update stepgate.run_heads set status = coalesce(paused_from, status), paused_from = null, time_limit_at = null ${STUCK}`,
          `update stepgate.steps set deadline_at = null ${STUCK}`,
          `update stepgate.ready_steps set not_before = ready_at, is_alone = false ${STUCK}`,
        ])
          await pool.query(statement);
      }
      await pool.query(
        "truncate stepgate.tenants, stepgate.manifests, stepgate.runs, stepgate.steps, stepgate.ready_steps, stepgate.workers cascade",
      );
    }
  });
});
