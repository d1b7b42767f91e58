/**
 * M2 and M10 on a real database: logs made by hand, every row of the projection deleted, put back by `run rebuild`, and the
 * run brought to its end by a worker.
 */
import t, { type Test } from "tap";
import type { RunUid } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { makeReadManifest } from "../../src/runs/manifest.ts";
import { makeRebuildRun } from "../../src/runs/rebuild-run.ts";
import { makeRebuildStore } from "../../src/storage/rebuild-store.ts";
import { runCli } from "../cli/run-cli.ts";
import {
  failed,
  type Line,
  lost,
  refused,
  retried,
  scheduled,
  skipped,
  started as startedLine,
  succeeded as succeededLine,
} from "../runs/log-fixture.ts";
import { forEachDatabase, type TestDatabase } from "../storage/test-database.ts";
import { allow, done, makeSink, type Rig, startRig } from "./rig.ts";

/** Of a worker that nobody knows, with what the end of the attempt names. */
const started = (step: string, attempt = 1): Line =>
  startedLine(step, attempt, {
    worker: "long-gone",
    admission_record: "a".repeat(64),
    jti: `01998000-0000-7000-8000-00000000000${attempt}`,
  });
const succeeded = (step: string, attempt = 1): Line =>
  succeededLine(step, attempt, { output_digest: "d".repeat(64), blobs: {} });

const step = (id: string, more: JsonObject = {}) => ({ id, type: "sink", inputs: {}, ...more });
const undoing = (id: string, target: string, on = "failure_of_step") =>
  step(id, { execution: { compensation: { step: target, on } } });
const chain = [step("a"), step("b"), step("c")];
const chainEdges = [
  ["a", "b"],
  ["b", "c"],
];

interface Case {
  readonly why: string;
  readonly steps?: readonly JsonObject[];
  readonly edges?: readonly (readonly string[])[];
  readonly config?: JsonObject;
  readonly lines: readonly Line[];
  /** Steps as they are executed, with the number of the attempt. */
  readonly calls: readonly string[];
  readonly ends: Readonly<Record<string, string>>;
  readonly run: "succeeded" | "failed" | "cancelled";
}

const cases: readonly Case[] = [
  {
    why: "nothing started",
    lines: [],
    calls: ["a 1", "b 1", "c 1"],
    ends: { a: "succeeded", b: "succeeded", c: "succeeded" },
    run: "succeeded",
  },
  {
    why: "an open attempt is lost, the next has the next number",
    lines: [started("a")],
    calls: ["a 2", "b 1", "c 1"],
    ends: { a: "succeeded", b: "succeeded", c: "succeeded" },
    run: "succeeded",
  },
  {
    why: "the fifth loss is the last",
    lines: [...[1, 2, 3, 4].flatMap((number) => [started("a", number), lost("a", number)]), started("a", 5)],
    calls: [],
    ends: { a: "failed", b: "skipped", c: "skipped" },
    run: "failed",
  },
  {
    why: "M9 failed at attempt 1, succeeded at attempt 2: the success counts",
    lines: [started("a"), retried("a", 1, 0), started("a", 2), succeeded("a", 2)],
    calls: ["b 1", "c 1"],
    ends: { a: "succeeded", b: "succeeded", c: "succeeded" },
    run: "succeeded",
  },
  {
    why: "all succeeded and nobody said so",
    lines: ["a", "b", "c"].flatMap((id) => [started(id), succeeded(id)]),
    calls: [],
    ends: { a: "succeeded", b: "succeeded", c: "succeeded" },
    run: "succeeded",
  },
  {
    why: "the last event a failure: what hangs on it is skipped",
    lines: [started("a"), failed("a")],
    calls: [],
    ends: { a: "failed", b: "skipped", c: "skipped" },
    run: "failed",
  },
  {
    why: "refused and skipped already",
    lines: [refused("a"), skipped("b"), skipped("c")],
    calls: [],
    ends: { a: "failed", b: "skipped", c: "skipped" },
    run: "failed",
  },
  {
    why: "a join waits for all, several open attempts are lost together",
    edges: [
      ["a", "c"],
      ["b", "c"],
    ],
    lines: [started("a"), started("b")],
    calls: ["a 2", "b 2", "c 1"],
    ends: { a: "succeeded", b: "succeeded", c: "succeeded" },
    run: "succeeded",
  },
  {
    why: "a cancel that was not finished: the idle are cancelled, the running one closed",
    edges: [],
    lines: [started("a"), ["run_cancel_requested", undefined, { by: "key:x" }]],
    calls: [],
    ends: { a: "cancelled", b: "cancelled", c: "cancelled" },
    run: "cancelled",
  },
  {
    why: "a cancel with nothing running",
    lines: [["run_cancel_requested", undefined, { by: "key:x" }]],
    calls: [],
    ends: { a: "cancelled", b: "cancelled", c: "cancelled" },
    run: "cancelled",
  },
  {
    why: "a failed step is undone",
    steps: [undoing("a", "u"), step("u")],
    edges: [],
    lines: [started("a"), failed("a")],
    calls: ["u 1"],
    ends: { a: "failed", u: "succeeded" },
    run: "failed",
  },
  {
    why: "what was refused without an attempt has nothing to undo",
    steps: [undoing("a", "u"), step("u")],
    edges: [],
    lines: [refused("a")],
    calls: [],
    ends: { a: "failed", u: "skipped" },
    run: "failed",
  },
  {
    why: "a saga whose run is still open decides nothing",
    steps: [undoing("a", "u", "failure_of_run"), step("u"), step("b")],
    edges: [["a", "b"]],
    lines: [started("a"), succeeded("a")],
    calls: ["b 1"],
    ends: { a: "succeeded", b: "succeeded", u: "skipped" },
    run: "succeeded",
  },
  {
    why: "a saga whose run failed undoes the last first",
    steps: [
      undoing("a", "ua", "failure_of_run"),
      undoing("b", "ub", "failure_of_run"),
      step("c"),
      step("ua"),
      step("ub"),
    ],
    edges: chainEdges,
    lines: [started("a"), succeeded("a"), started("b"), succeeded("b"), refused("c"), scheduled("a", "ua")],
    calls: ["ub 1", "ua 1"],
    ends: { a: "succeeded", b: "succeeded", c: "failed", ua: "succeeded", ub: "succeeded" },
    run: "failed",
  },
  {
    why: "killed between two targets: the next one's turn has come",
    steps: [undoing("a", "ua"), undoing("b", "ub"), step("ua"), step("ub")],
    edges: [],
    lines: [
      ...[started("a"), failed("a"), scheduled("a", "ua"), started("b"), failed("b"), scheduled("b", "ub")],
      ...[["run_compensating"] as Line, started("ub"), succeeded("ub")],
    ],
    calls: ["ua 1"],
    ends: { a: "failed", b: "failed", ua: "succeeded", ub: "succeeded" },
    run: "failed",
  },
  {
    why: "undone and nobody said so",
    steps: [undoing("a", "u"), step("u")],
    edges: [],
    lines: [started("a"), failed("a"), scheduled("a", "u"), ["run_compensating"], started("u"), succeeded("u")],
    calls: [],
    ends: { a: "failed", u: "succeeded" },
    run: "failed",
  },
  {
    why: "fail_fast skips what nobody executes",
    edges: [["b", "c"]],
    config: { fail_fast: true },
    lines: [started("a"), failed("a")],
    calls: [],
    ends: { a: "failed", b: "skipped", c: "skipped" },
    run: "failed",
  },
];

const PROJECTION = ["ready_steps", "steps", "step_edges", "run_heads", "breakpoints", "budgets"] as const;

/** Submits, puts a log made by hand in the place of the run's own, and deletes every row that is made of it. */
async function lay(
  rig: Rig,
  { steps = chain, edges = chainEdges, config = {}, lines }: Partial<Case>,
): Promise<RunUid> {
  const runUid = await rig.submit({ steps: [...steps], edges: edges.map((edge) => [...edge]), run_config: config });
  for (const table of PROJECTION) await rig.rows(`delete from stepgate.${table} where run_uid = $1`, [runUid]);
  await rig.rows("delete from stepgate.run_events where run_uid = $1 and seq > 1", [runUid]);
  // a run starts with the first of its steps
  const begun: readonly Line[] = lines?.some(([type]) => type === "step_started") === true ? [["run_started"]] : [];
  for (const [index, [type, stepId, data = {}]] of [...begun, ...(lines ?? [])].entries()) {
    await rig.rows(
      `insert into stepgate.run_events (tenant_uid, run_uid, seq, type, step_id, data)
       values ($1, $2, $3, $4, nullif($5, ''), $6::jsonb)`,
      [rig.tenantUid, runUid, index + 2, type, stepId ?? "", JSON.stringify(data)],
    );
  }
  return runUid;
}

async function scene(t: Test, database: TestDatabase | undefined) {
  const sink = makeSink(() => done({ ok: true }));
  const rig = await startRig(t, {
    database,
    packs: { runtime: allow },
    adapters: [sink.adapter],
    tenant: { runtime_pack: "runtime", required_guardrails: [] },
  });
  const { workerPool: pool, store } = rig.stepgate.rooms;
  const rebuild = makeRebuildRun({
    store: { ...store, ...makeRebuildStore(pool) },
    readManifest: makeReadManifest(),
    maxLostAttempts: 5,
  });
  const setPaused = (isPaused: boolean) =>
    rig.rows("update stepgate.tenants set is_paused = $1::boolean where tenant_uid = $2", [
      String(isPaused),
      rig.tenantUid,
    ]);
  // nothing of a run is to be claimed before its log is another
  await setPaused(true);
  const goOn = async () => {
    await setPaused(false);
    rig.stepgate.rooms.ready.ready();
  };
  return { rig, sink, goOn, rebuild: (runUid: RunUid) => rebuild(rig.tenantUid, runUid, "test") };
}

t.test("M2 every resume case, from a log made by hand with all rows of the projection deleted", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const { rig, sink, goOn, rebuild } = await scene(t, database);
    const runs: (Case & { readonly runUid: RunUid })[] = [];
    for (const one of cases) {
      const runUid = await lay(rig, one);
      await rebuild(runUid);
      runs.push({ ...one, runUid });
    }
    t.same(sink.calls, [], "nothing has run while the tenant was paused");
    await goOn();
    for (const { why, runUid, calls, ends, run } of runs) {
      t.equal((await rig.ended(runUid)).status, run, why);
      const states = [...(await rig.steps(runUid))].map(([id, { state }]) => [id, state]);
      t.same(Object.fromEntries(states), ends, why);
      const made = sink.calls.filter((call) => call.runUid === runUid).map((call) => `${call.stepId} ${call.attempt}`);
      const isOrdered = calls.join() === "ub 1,ua 1";
      t.same(isOrdered ? made : made.sort(), calls, `${why}: what was executed`);
    }
  });
});

t.test(
  "M2 M12 what waits goes on waiting: for an approval, for a resume, for the rest of a retry's delay",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const { rig, sink, goOn, rebuild } = await scene(t, database);
      const { store } = rig.stepgate.rooms;
      const held = await lay(rig, {
        lines: [["step_held", "a", { approval_id: "01998000-0000-7000-8000-00000000000a" }]],
      });
      const paused = await lay(rig, { lines: [["run_paused", undefined, { reason: "operator" }]] });
      const notBeforeMs = Date.now() + 4000;
      const delayed = await lay(rig, {
        lines: [started("a"), retried("a", 1, notBeforeMs)],
      });
      for (const runUid of [held, paused, delayed]) await rebuild(runUid);
      await goOn();
      t.equal((await rig.ended(delayed)).status, "succeeded");
      t.ok(Date.now() >= notBeforeMs, "not before its time");
      t.equal((await rig.steps(held)).get("a")?.state, "held");
      t.equal((await store.find(rig.tenantUid, { runUid: paused }))?.status, "paused_at_step");
      t.equal(sink.calls.filter(({ runUid }) => runUid !== delayed).length, 0);
      await store.resume(rig.tenantUid, paused, "test");
      t.equal((await rig.ended(paused)).status, "succeeded");
      await store.cancel(rig.tenantUid, held, "test");
      t.equal((await rig.ended(held)).status, "cancelled");
    });
  },
);

t.test("M10 a log that the plan does not know, or that cannot be, is refused, and nothing is put back", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const { rig, rebuild } = await scene(t, database);
    const foreign: readonly (readonly [code: string, lines: readonly Line[]])[] = [
      ["STEP_NOT_IN_PLAN", [started("stranger")]],
      ["INVALID_LOG", [succeeded("a")]],
      ["INVALID_LOG", [started("a"), started("a", 2)]],
    ];
    for (const [code, lines] of foreign) {
      const runUid = await lay(rig, { lines });
      await t.rejects(rebuild(runUid), { code }, code);
      for (const table of PROJECTION)
        t.same(await rig.rows(`select 1 from stepgate.${table} where run_uid = $1`, [runUid]), [], table);
    }
  });
});

t.test(
  "`run rebuild` puts a run back beside the running service, says what comes next, and is in the audit",
  async (t) => {
    const { rig, goOn } = await scene(t, undefined);
    const runUid = await lay(rig, { lines: [started("a"), succeeded("a")] });
    const { home } = rig.stepgate.rooms.config.instance;
    const { code, out, err } = await runCli(["run", "rebuild", runUid], { STEPGATE_HOME: home });
    t.equal(code, 0, err);
    t.match(out, new RegExp(`run ${runUid} put back from 4 events · running`));
    t.match(out, /a +succeeded +-\n *b +queued +is queued\n *c +blocked +waits for others/);
    const asked = await runCli(["run", "rebuild", runUid, "--json"], { STEPGATE_HOME: home });
    t.match(JSON.parse(asked.out), { run_uid: runUid, status: "running", events: 4, steps: [{ step: "a" }, {}, {}] });
    t.match(
      await rig.rows("select actor, resource::text as resource from stepgate.audit_log where action = 'run.rebuild'"),
      [{ actor: /^cli:./, resource: new RegExp(runUid) }, { actor: /^cli:./ }],
    );
    await goOn();
    t.equal((await rig.ended(runUid)).status, "succeeded");
    const unknown = await runCli(["run", "rebuild", "01998000-0000-7000-8000-000000000001"], { STEPGATE_HOME: home });
    t.match(unknown, { code: 1, err: /RUN_NOT_FOUND/ });
    t.match(await runCli(["run", "rebuild", "my-run"], { STEPGATE_HOME: home }), { code: 64, err: /uid/ });
  },
);
