/**
 * Queue operations of spec 02 on a real worker: pauses, why a step waits, dead letters and going on from one.
 */
import t, { type Test } from "tap";
import type { RunUid, StepId } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { ExecutorResult } from "../../src/executors/contract.ts";
import { makeForkRun } from "../../src/runs/fork-run.ts";
import { makeRebuildRun } from "../../src/runs/rebuild-run.ts";
import { makeQueueOperations } from "../../src/scheduler/queue-operations.ts";
import { makeQueueStore } from "../../src/storage/queue-store.ts";
import { makeRebuildStore } from "../../src/storage/rebuild-store.ts";
import { openTestDatabase } from "../storage/test-database.ts";
import { verifies } from "./evidence-of.ts";
import { type Decide, done, makeSink, type Rig, startRig } from "./rig.ts";

const tenant = { runtime_pack: "runtime", required_guardrails: [] };
const broken: ExecutorResult = {
  ok: false,
  kind: "execution_error",
  retryable: false,
  code: "boom",
  message: "it broke",
  usage: { tokens: 30, usdMicros: 3 },
  toolEvents: [],
};
const NOBODY = { keyId: "nobody", owner: "operator@example.com", roles: ["operator"] };

interface Bench {
  readonly rig: Rig;
  readonly calls: ReturnType<typeof makeSink>["calls"];
  /** What steps named here do, call by call; any other succeeds with its inputs. */
  readonly behaviour: Map<string, () => ExecutorResult>;
  readonly seen: JsonObject[];
  readonly operations: ReturnType<typeof makeQueueOperations>;
  readonly fork: (run: RunUid, step: string, inputs?: JsonObject) => Promise<RunUid>;
}

async function bench(t: Test): Promise<Bench> {
  const database = await openTestDatabase(t);
  const behaviour = new Map<string, () => ExecutorResult>();
  const seen: JsonObject[] = [];
  const decide: Decide = (input) => {
    seen.push(input);
    return { effect: "allow" };
  };
  const { adapter, calls } = makeSink(
    ({ stepId, spec }) => behaviour.get(stepId)?.() ?? done({ got: spec.inputs }, { tokens: 10, usdMicros: 1 }),
  );
  const rig = await startRig(t, { database, packs: { runtime: decide }, adapters: [adapter], tenant });
  const { pool, store, readManifest, startRun, vaults, registry, ready } = rig.stepgate.rooms;
  const forkRun = makeForkRun({
    store,
    readManifest,
    startRun,
    open: async (blob) => (await vaults.of(blob.tenantUid)).open(blob, blob),
  });
  return {
    rig,
    calls,
    behaviour,
    seen,
    operations: makeQueueOperations({
      store: makeQueueStore(pool),
      isType: (type) => registry.get(type) !== undefined,
      onResumed: ready.ready,
    }),
    fork: async (runUid, stepId, inputs) => {
      const [{ key_id: keyId = "" } = {}] = await rig.rows("select key_id from stepgate.api_keys limit 1");
      const caller = { ...NOBODY, keyId: String(keyId) };
      const input = { tenantUid: rig.tenantUid, caller, runUid, stepId: stepId as StepId };
      const forked = await forkRun({ ...input, inputs, idempotencyKey: undefined });
      if (forked === undefined) throw new TypeError("no such run");
      return forked.runUid;
    },
  };
}

t.test("a paused type is not claimed while others are, and says why it waits", async (t) => {
  const { rig, calls, operations } = await bench(t);
  const { tenantUid } = rig;
  await t.rejects(operations.setPaused({ tenantUid, type: "telepathy", isPaused: true, actor: "test" }), {
    code: "PLAN_UNKNOWN_TYPE",
    detail: { step_type: "telepathy" },
  });
  await operations.setPaused({ tenantUid, type: "sink", isPaused: true, actor: "test" });
  const held = await rig.submit({ steps: [{ id: "a", type: "sink", inputs: {} }] });
  const other = await rig.submit({ steps: [{ id: "b", type: "noop", inputs: { result: 1 } }] });
  t.equal((await rig.ended(other)).status, "succeeded");
  t.equal(calls.length, 0);
  t.match(await operations.waits(tenantUid, held, "a" as StepId), {
    status: "queued",
    waits: [{ reason: "type_paused" }, { reason: "rank", count: 0 }],
  });
  t.match(await operations.queue(tenantUid), {
    is_paused: false,
    paused_types: ["sink"],
    served_types: ["http", "noop", "process", "sink"],
    is_partial: false,
    counts: [{ type: "sink", state: "queued", count: 1 }],
  });
  await operations.setPaused({ tenantUid, type: "sink", isPaused: false, actor: "test" });
  t.equal((await rig.ended(held)).status, "succeeded");
  t.same(await operations.waits(tenantUid, held, "a" as StepId), { status: "succeeded", waits: [] });

  await operations.setPaused({ tenantUid, type: undefined, isPaused: true, actor: "test" });
  const waiting = await rig.submit({
    steps: [
      { id: "a", type: "sink", inputs: {} },
      { id: "b", type: "sink", inputs: {} },
    ],
    edges: [["a", "b"]],
  });
  t.match((await operations.waits(tenantUid, waiting, "a" as StepId))?.waits, [{ reason: "tenant_paused" }, {}]);
  t.match((await operations.waits(tenantUid, waiting, "b" as StepId))?.waits, [{ reason: "dependency", steps: ["a"] }]);
  t.match((await operations.queue(tenantUid)).counts, [
    { type: "sink", state: "blocked", count: 1 },
    { type: "sink", state: "queued", count: 1 },
  ]);
  await operations.setPaused({ tenantUid, type: undefined, isPaused: false, actor: "test" });
  t.equal((await rig.ended(waiting)).status, "succeeded");
  const audit = await rig.rows("select action from stepgate.audit_log where action like 'queue.%' order by seq");
  t.same(
    audit.map(({ action }) => action),
    ["queue.pause", "queue.resume", "queue.pause", "queue.resume"],
  );
});

t.test(
  "a dead letter is gone on from in a new run: what succeeded is taken over, what depended on it runs",
  async (t) => {
    const { rig, calls, behaviour, seen, operations, fork } = await bench(t);
    behaviour.set("b", () => broken);
    const runUid = await rig.submit({
      steps: [
        { id: "a", type: "sink", inputs: { nonce: "n-4711" } },
        { id: "b", type: "sink", inputs: { from_a: { $from: "a", pointer: "/got/nonce" } } },
        { id: "c", type: "sink", inputs: { from_b: { $from: "b", pointer: "/got" } } },
      ],
      edges: [
        ["a", "b"],
        ["b", "c"],
      ],
      labels: { ticket: "T-1" },
    });
    await t.rejects(fork(runUid, "b"), { code: "STATE_CONFLICT" }, "a run that has not ended is left alone");
    t.equal((await rig.ended(runUid)).status, "failed");
    const { items } = await operations.deadLetters(rig.tenantUid, { after: undefined, limit: 10 });
    t.match(items, [
      { run_uid: runUid, step_id: "b", attempt: 1, error_kind: "execution_error", redriven_as: undefined },
    ]);
    t.equal(items.length, 1, "what was skipped is no dead letter");

    behaviour.clear();
    calls.length = 0;
    seen.length = 0;
    const forked = await fork(runUid, "b");
    t.equal((await rig.ended(forked)).status, "succeeded");
    t.same(
      calls.map(({ stepId, spec }) => [stepId, spec.inputs]),
      [
        ["b", { from_a: "n-4711" }],
        ["c", { from_b: { from_a: "n-4711" } }],
      ],
      "the step that had succeeded does not run again",
    );
    t.match(
      seen.find(({ step }) => (step as JsonObject)["id"] === "b"),
      {
        run: { labels: { ticket: "T-1" } },
        origins: [{ source: "user" }, { source: "tool", run_id: runUid, step_id: "a" }],
      },
      "packs see which run the value came from",
    );
    await verifies(t, rig, forked);
    const [submitted] = await rig.events(forked);
    t.match(submitted?.data, { forked_from: { run_uid: runUid, step_id: "b", taken_over: { a: /^[0-9a-f]{64}$/ } } });
    t.match(await operations.deadLetter(rig.tenantUid, runUid, "b" as StepId), { redriven_as: forked });
    t.equal((await rig.ended(runUid)).status, "failed", "the run before stays as it ended");

    const edited = await fork(runUid, "b", { from_a: "by hand" });
    await rig.ended(edited);
    t.match(calls.find(({ runUid: run }) => run === edited)?.spec.inputs, { from_a: "by hand" });
  },
);

t.test("forks draw on what their root's budget has left, never more in sum, also after a rebuild", async (t) => {
  const { rig, behaviour, fork } = await bench(t);
  behaviour.set("a", () => broken);
  const hint = { execution: { cost_hint: { tokens: 30 } } };
  const runUid = await rig.submit({
    steps: [{ id: "a", type: "sink", inputs: {}, ...hint }],
    budget: { tokens: 100, usd_micros: 1_000 },
  });
  await rig.ended(runUid);
  const first = await fork(runUid, "a");
  const limits = async (run: RunUid) => (await rig.ended(run)).budget;
  t.match(await limits(first), { tokens: { limit: 70, used: 30 }, usdMicros: { limit: 997, used: 3 } });
  const second = await fork(first, "a");
  t.match(await limits(second), { tokens: { limit: 40, used: 30 } }, "a fork of a fork draws on the same root");

  const { workerPool: pool, store, readManifest } = rig.stepgate.rooms;
  const rebuild = makeRebuildRun({ store: { ...store, ...makeRebuildStore(pool) }, readManifest, maxLostAttempts: 5 });
  await rig.rows("delete from stepgate.budgets where run_uid = $1", [second]);
  await rebuild(rig.tenantUid, second, "test");
  t.match(await limits(second), { tokens: { limit: 40, used: 30 } }, "the log says what it was given");

  const third = await fork(runUid, "a");
  t.match(await limits(third), { tokens: { limit: 10, used: 0 } });
  t.match((await rig.steps(third)).get("a"), { state: "failed", errorKind: "budget_exceeded", attemptsMade: 0 });
});

t.test("two forks of one run at once do not get the same money", async (t) => {
  const { rig, behaviour, fork } = await bench(t);
  behaviour.set("a", () => broken);
  const runUid = await rig.submit({ steps: [{ id: "a", type: "sink", inputs: {} }], budget: { tokens: 100 } });
  await rig.ended(runUid);
  await rig.rows("update stepgate.tenants set is_paused = true");
  const forks = await Promise.all([1, 2, 3].map(() => fork(runUid, "a")));
  const rows = await rig.rows(
    "select sum(tokens_limit)::integer as sum from stepgate.budgets where run_uid = any ($1)",
    [`{${forks.join()}}`],
  );
  t.equal(rows[0]?.["sum"], 70, "together they have what the root left");
  await rig.rows("update stepgate.tenants set is_paused = false");
  for (const run of forks) await rig.ended(run);
});

t.test("a compensation that failed is a dead letter too, and runs again with its origin's values", async (t) => {
  const { rig, calls, behaviour, operations, fork } = await bench(t);
  behaviour.set("pay", () => broken);
  behaviour.set("undo", () => broken);
  const runUid = await rig.submit({
    steps: [
      { id: "pay", type: "sink", inputs: { amount: 12 }, execution: { compensation: { step: "undo" } } },
      { id: "undo", type: "sink", inputs: { amount: { $from: "pay", pointer: "/inputs/amount" } } },
    ],
  });
  await rig.ended(runUid);
  const { items } = await operations.deadLetters(rig.tenantUid, { after: undefined, limit: 1 });
  t.match(items, [{ step_id: "undo", is_compensation: true }]);
  behaviour.clear();
  const forked = await fork(runUid, "undo");
  t.equal((await rig.ended(forked)).status, "succeeded");
  t.same(calls.at(-1)?.spec.inputs, { amount: 12 });
  await verifies(t, rig, forked);
});

t.test("a compensation that is scheduled says what must end before its turn", async (t) => {
  const { rig, behaviour, operations } = await bench(t);
  const { tenantUid } = rig;
  behaviour.set("pay", () => broken);
  await operations.setPaused({ tenantUid, type: "noop", isPaused: true, actor: "test" });
  const runUid = await rig.submit({
    steps: [
      { id: "pay", type: "sink", inputs: {}, execution: { compensation: { step: "undo" } } },
      { id: "undo", type: "sink", inputs: {} },
      { id: "mail", type: "noop", inputs: {} },
      { id: "note", type: "sink", inputs: {}, execution: { compensation: { step: "erase", on: "failure_of_run" } } },
      { id: "erase", type: "sink", inputs: {} },
    ],
    edges: [["mail", "note"]],
  });
  await rig.until(runUid, (steps) => steps.get("pay")?.state === "failed");
  const waits = async (step: string) => (await operations.waits(tenantUid, runUid, step as StepId))?.waits;
  t.same(await waits("undo"), [
    { reason: "compensation", steps: ["pay"] },
    { reason: "compensation_turn", steps: ["mail", "note"] },
  ]);
  t.same(await waits("erase"), [{ reason: "compensation", steps: ["note"] }], "perhaps it never runs");
  await operations.setPaused({ tenantUid, type: "noop", isPaused: false, actor: "test" });
  t.equal((await rig.ended(runUid)).status, "failed");
  t.same(await waits("undo"), []);
});

t.test("dead letters are listed in pages, the youngest first, each once", async (t) => {
  const { rig, behaviour, operations } = await bench(t);
  behaviour.set("a", () => broken);
  const runs: RunUid[] = [];
  for (let count = 0; count < 5; count += 1) {
    const run = await rig.submit({ steps: [{ id: "a", type: "sink", inputs: {} }] });
    await rig.ended(run);
    runs.unshift(run);
  }
  const found: string[] = [];
  for (let after: string | undefined, page = 0; page < 5; page += 1) {
    const { items, next } = await operations.deadLetters(rig.tenantUid, { after, limit: 2 });
    found.push(...items.map(({ run_uid: run }) => run));
    if (next === undefined) break;
    after = next;
  }
  t.same(found, runs);
  await t.rejects(operations.deadLetters(rig.tenantUid, { after: "nonsense", limit: 2 }), { code: "FIELD_INVALID" });
});
