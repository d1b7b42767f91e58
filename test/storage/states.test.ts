/**
 * The state tables of spec 00 against the database: it refuses every transition that core/state.ts does not have, on the
 * functions, on the rows and whatever else the writer believes.
 */
import t from "tap";
import {
  canRunMove,
  canStepMove,
  isRunEnded,
  isStepEnded,
  RUN_STATES,
  type RunState,
  STEP_STATES,
  type StepState,
} from "../../src/core/state.ts";
import type { Connection } from "../../src/storage/pool.ts";
import { forEachDatabase, type TestDatabase } from "./test-database.ts";

const TENANT = "00000000-0000-7000-8000-000000000001";
const RUN = "00000000-0000-7000-8000-000000000002";
const BLOB = "00000000-0000-7000-8000-000000000003";
const BATCH = "00000000-0000-7000-8000-000000000004";
const DIGEST = "0".repeat(64);

/** Words that stand in ready_steps only: in `steps` such a step is queued. */
const LIVE = ["queued", "leased", "running"] as const;
type LiveState = (typeof LIVE)[number];
const isLive = (state: StepState): state is LiveState => LIVE.some((live) => live === state);
const rowStatus = (state: StepState): StepState => (isLive(state) ? "queued" : state);

t.test("the database's functions have exactly the transitions of core/state.ts", async (t) => {
  await forEachDatabase(t, async (t, { pool }) => {
    const { rows: steps } = await pool.query<{ from: StepState; to: StepState; may: boolean }>(
      `select f as "from", t as "to", stepgate.step_may_move(f, t) as may from unnest($1::text[]) f, unnest($1::text[]) t`,
      [[...STEP_STATES]],
    );
    t.equal(steps.length, STEP_STATES.length ** 2);
    for (const { from, to, may } of steps) t.equal(may, canStepMove(from, to), `step ${from} → ${to}`);
    const { rows: runs } = await pool.query<{ from: RunState; to: RunState; may: boolean }>(
      `select f as "from", t as "to", stepgate.run_may_move(f, t) as may from unnest($1::text[]) f, unnest($1::text[]) t`,
      [[...RUN_STATES]],
    );
    t.equal(runs.length, RUN_STATES.length ** 2);
    for (const { from, to, may } of runs) t.equal(may, canRunMove(from, to), `run ${from} → ${to}`);
  });
});

t.test("a row moves from one state to another only where the table says so", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    await plantRun(database);
    await t.test("steps.status, all pairs, the live word standing in ready_steps", async (t) => {
      for (const from of STEP_STATES) {
        for (const to of STEP_STATES.filter((state) => state !== "leased" && state !== "running")) {
          if (rowStatus(from) === to) continue;
          const accepted = await attempt(database, (connection) => setStep(connection, from), [
            "update stepgate.steps set status = $1, ended_at = case when $2 then now() end, error_kind = 'execution_error'",
            [to, isStepEnded(to)],
          ]);
          t.equal(accepted, canStepMove(from, to) ? "accepted" : "SG001", `${from} → ${to}`);
        }
      }
    });
    await t.test("ready_steps.state, all pairs", async (t) => {
      for (const from of LIVE) {
        for (const to of LIVE.filter((state) => state !== from)) {
          const accepted = await attempt(database, (connection) => setStep(connection, from), [
            `update stepgate.ready_steps set state = $1, lease_owner = case when $1 <> 'queued' then 'w' end, lease_epoch = 1,
                    started_at = case when $1 = 'running' then now() end`,
            [to],
          ]);
          t.equal(accepted, canStepMove(from, to) ? "accepted" : "SG001", `${from} → ${to}`);
        }
      }
    });
    await t.test("run_heads.status, all pairs", async (t) => {
      for (const from of RUN_STATES) {
        for (const to of RUN_STATES.filter((state) => state !== from)) {
          const accepted = await attempt(database, (connection) => setRun(connection, from), [
            "update stepgate.run_heads set status = $1, paused_from = case when $1 = 'paused_at_step' then 'running' end",
            [to],
          ]);
          t.equal(accepted, canRunMove(from, to) ? "accepted" : "SG001", `${from} → ${to}`);
        }
      }
    });
    await t.test("a new row begins where a life begins", async (t) => {
      for (const status of STEP_STATES.filter((state) => !isLive(state) || state === "queued")) {
        const accepted = await attempt(database, async () => undefined, [
          `insert into stepgate.steps (tenant_uid, run_uid, step_id, idx, type, status, spec, input_blob, pending_dependencies,
                                       total_dependencies, ended_at, error_kind)
           values ($1, $2, 'new', 9, 'noop', $3, '{}', $4, 0, 0, case when $5 then now() end, 'execution_error')`,
          [TENANT, RUN, status, BLOB, isStepEnded(status)],
        ]);
        t.equal(accepted, status === "queued" || status === "blocked" ? "accepted" : "SG001", `step ${status}`);
      }
      for (const status of RUN_STATES) {
        const accepted = await attempt(
          database,
          async (connection) => {
            await connection.query("delete from stepgate.run_heads");
          },
          [
            `insert into stepgate.run_heads (tenant_uid, run_uid, status, paused_from, open_steps, max_parallel)
             values ($1, $2, $3, case when $3 = 'paused_at_step' then 'running' end, 1, 1)`,
            [TENANT, RUN, status],
          ],
        );
        t.equal(accepted, status === "pending" ? "accepted" : "SG001", `run ${status}`);
      }
    });
  });
});

t.test("rows that say what happened are only ever added", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    await plantRun(database);
    const changes = [
      ["records", "update stepgate.records set statement = 'other'"],
      ["record_batches", "update stepgate.record_batches set statement = 'other'"],
      ["step_attempts", "update stepgate.step_attempts set actual_tokens = 0"],
      ["cost_ledger", "update stepgate.cost_ledger set actual_tokens = 0"],
      ["run_events", "update stepgate.run_events set data = '{}'"],
      ["audit_log", "update stepgate.audit_log set actor = 'other'"],
      ["audit_log", "delete from stepgate.audit_log"],
    ] as const;
    for (const [table, change] of changes) {
      const { rows } = await database.pool.query<{ n: number }>(`select count(*)::integer as n from stepgate.${table}`);
      t.ok((rows[0]?.n ?? 0) > 0, `the control: ${table} has a row to change`);
      t.equal(await attempt(database, async () => undefined, [change, []]), "SG003", change);
    }
  });
});

type Statement = readonly [string, readonly (string | boolean)[]];

/** Tries a change in a transaction that is rolled back; the SQL state of the refusal, or "accepted". */
async function attempt(
  { pool }: TestDatabase,
  prepare: (connection: Connection) => Promise<void>,
  [sql, values]: Statement,
): Promise<string> {
  const accepted = new Error("accepted");
  try {
    await pool.transaction(async (connection) => {
      await prepare(connection);
      await connection.query(sql, [...values]);
      throw accepted;
    });
  } catch (caught) {
    if (caught === accepted) return "accepted";
    return stateOf(caught);
  }
  return "committed";
}

function stateOf(caught: unknown): string {
  const detail = typeof caught === "object" && caught !== null && "detail" in caught ? caught.detail : undefined;
  return typeof detail === "object" && detail !== null && "sqlState" in detail
    ? String(detail.sqlState)
    : String(caught);
}

/** Puts the planted step into a state as if it had come there, past the guards. */
async function setStep(connection: Connection, state: StepState): Promise<void> {
  await connection.query("alter table stepgate.steps disable trigger user");
  await connection.query("alter table stepgate.ready_steps disable trigger user");
  await connection.query(
    "update stepgate.steps set status = $1, ended_at = case when $2 then now() end, error_kind = 'execution_error'",
    [rowStatus(state), isStepEnded(state)],
  );
  await connection.query("delete from stepgate.ready_steps");
  if (isLive(state)) {
    await connection.query(
      `insert into stepgate.ready_steps (tenant_uid, run_uid, step_id, type, state, is_contracted, breach_at, priority, ready_at,
                                         not_before, attempts_made, lease_owner, lease_epoch, started_at)
       values ($1, $2, 'a', 'noop', $3, false, 'infinity', 0, now(), now(), 0, case when $3 <> 'queued' then 'w' end, 1,
               case when $3 = 'running' then now() end)`,
      [TENANT, RUN, state],
    );
  }
  await connection.query("alter table stepgate.steps enable trigger user");
  await connection.query("alter table stepgate.ready_steps enable trigger user");
}

async function setRun(connection: Connection, state: RunState): Promise<void> {
  await connection.query("alter table stepgate.run_heads disable trigger user");
  await connection.query(
    "update stepgate.run_heads set status = $1, paused_from = case when $1 = 'paused_at_step' then 'running' end, open_steps = $2",
    [state, isRunEnded(state) ? 0 : 1],
  );
  await connection.query("alter table stepgate.run_heads enable trigger user");
}

/** One run with one step, and one row in every table that only grows. */
async function plantRun({ pool }: TestDatabase): Promise<void> {
  const plant = (sql: string, ...values: readonly (string | number)[]) => pool.query(sql, [...values]);
  await plant("insert into stepgate.tenants (tenant_uid, tenant_id) values ($1, 'planted')", TENANT);
  await plant("insert into stepgate.manifests (tenant_uid, manifest_id, body) values ($1, $2, '{}')", TENANT, DIGEST);
  await plant(
    `insert into stepgate.runs (tenant_uid, run_uid, submission_digest, kind, op_id, manifest_id, caller_key_id, caller_owner, caller_roles)
     values ($1, $2, $3, 'dag', 'op', $3, 'key', 'owner', '{submitter}')`,
    TENANT,
    RUN,
    DIGEST,
  );
  await plant(
    "insert into stepgate.run_heads (tenant_uid, run_uid, status, open_steps, max_parallel) values ($1, $2, 'pending', 1, 1)",
    TENANT,
    RUN,
  );
  await plant(
    `insert into stepgate.steps (tenant_uid, run_uid, step_id, idx, type, status, spec, input_blob, pending_dependencies, total_dependencies)
     values ($1, $2, 'a', 0, 'noop', 'queued', '{}', $3, 0, 0)`,
    TENANT,
    RUN,
    BLOB,
  );
  await plant(
    "insert into stepgate.run_events (tenant_uid, run_uid, seq, type, data) values ($1, $2, 1, 'run_submitted', '{\"a\":1}')",
    TENANT,
    RUN,
  );
  await plant(
    `insert into stepgate.record_batches (batch_id, kid, size, leaves, statement, signature)
     values ($1, 'kid', 1, decode(repeat('00', 32), 'hex'), '{}', '\\x00')`,
    BATCH,
  );
  await plant(
    `insert into stepgate.records (tenant_uid, record_id, window_uid, run_uid, step_id, kind, statement, batch_id, leaf_index)
     values ($1, $2, $3, $3, 'a', 'admission', '{}', $4, 0)`,
    TENANT,
    DIGEST,
    RUN,
    BATCH,
  );
  await plant(
    `insert into stepgate.step_attempts (tenant_uid, run_uid, step_id, lease_epoch, attempt, status, worker_id, started_at,
       reserved_tokens, reserved_usd_micros, actual_tokens, actual_usd_micros, usage_source, admission_record, outcome_record)
     values ($1, $2, 'a', 1, 1, 'succeeded', 'w', now(), 1, 1, 1, 1, 'reported', $3, $3)`,
    TENANT,
    RUN,
    DIGEST,
  );
  await plant(
    `insert into stepgate.cost_ledger (tenant_uid, run_uid, step_id, lease_epoch, kind, reserved_tokens, reserved_usd_micros,
       actual_tokens, actual_usd_micros, usage_source) values ($1, $2, 'a', 1, 'succeeded', 1, 1, 1, 1, 'reported')`,
    TENANT,
    RUN,
  );
  await plant("select stepgate.append_audit($1, 'test', 'test', '{}')", TENANT);
}
