/**
 * What people and limits do to runs under way: cancel, breakpoints, fail_fast, parallelism, deadlines (spec 00, 01, 02, 08).
 */
import t from "tap";
import { isJsonObject, type JsonObject } from "../../src/core/json.ts";
import type { ExecutionContext, ExecutorResult } from "../../src/executors/contract.ts";
import { forEachDatabase } from "../storage/test-database.ts";
import { verifies } from "./evidence-of.ts";
import { allow, type Decide, done, makeSink, type Rig, startRig } from "./rig.ts";

const tenant = { runtime_pack: "runtime", required_guardrails: [] };
const step = (id: string, more: JsonObject = {}) => ({ id, type: "sink", inputs: {}, ...more });
const failed = (retryable = false): ExecutorResult => ({
  ok: false,
  kind: "execution_error",
  retryable,
  code: "boom",
  message: "it broke",
  usage: { tokens: 1, usdMicros: 0 },
  toolEvents: [],
});

/** Steps wait in the sink until they are released by name, or until their signal fires. */
function makeGatedSink(afterwards: (context: ExecutionContext) => ExecutorResult = () => done(null)) {
  const gates = new Map<string, () => void>();
  const aborts = new Map<string, number>();
  const sink = makeSink(
    (context, _call, signal) =>
      new Promise((resolve) => {
        gates.set(context.stepId, () => resolve(afterwards(context)));
        signal.addEventListener("abort", () => {
          aborts.set(context.stepId, performance.now());
          resolve({ ...failed(), kind: "cancelled", code: "aborted" } as ExecutorResult);
        });
      }),
  );
  return { ...sink, release: (id: string) => gates.get(id)?.(), aborts };
}

const statesOf = async (rig: Rig, runUid: Parameters<Rig["steps"]>[0]) =>
  Object.fromEntries([...(await rig.steps(runUid))].map(([id, { state }]) => [id, state]));
const typesOf = async (rig: Rig, runUid: Parameters<Rig["events"]>[0]) =>
  (await rig.events(runUid)).map(({ type }) => type);
const cancel = (rig: Rig, runUid: Parameters<Rig["events"]>[0]) =>
  rig.stepgate.rooms.store.cancel(rig.tenantUid, runUid, "test");

t.test("a run that is cancelled before anything started ends cancelled, untouched", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink(() => done(null));
    const rig = await startRig(t, { database, packs: { runtime: allow }, adapters: [sink.adapter], tenant });
    const runUid = await rig.submit({
      steps: [step("a"), step("b")],
      edges: [["a", "b"]],
      debug: { breakpoints: [{ target: "step", value: "a" }] },
    });
    await rig.until(runUid, (_, run) => run.status === "paused_at_step");
    t.equal(await cancel(rig, runUid), true);
    t.equal((await rig.ended(runUid)).status, "cancelled");
    t.same(await statesOf(rig, runUid), { a: "cancelled", b: "cancelled" });
    t.equal(sink.calls.length, 0);
    t.notOk((await typesOf(rig, runUid)).includes("run_started"));
    t.equal(await cancel(rig, runUid), false, "an ended run is not cancelled");
    await verifies(t, rig, runUid);
  });
});

t.test(
  "a cancelled running step is aborted within a second, charged, compensated; the run ends cancelled",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const gated = makeGatedSink();
      const undo = makeSink(() => done(null));
      const rig = await startRig(t, {
        database,
        packs: { runtime: allow },
        adapters: [
          gated.adapter,
          { ...undo.adapter, type: "undo", describe: () => ({ ...undo.adapter.describe(), type: "undo" }) },
        ],
        tenant,
      });
      const runUid = await rig.submit({
        steps: [
          step("long", { execution: { cost_hint: { tokens: 5 }, compensation: { step: "undo" } } }),
          step("next", { execution: { compensation: { step: "unneeded" } } }),
          { id: "undo", type: "undo", inputs: {} },
          { id: "unneeded", type: "undo", inputs: {} },
        ],
        edges: [["long", "next"]],
        budget: { tokens: 100 },
      });
      await rig.until(runUid, () => gated.calls.length === 1);
      const askedMs = performance.now();
      t.equal(await cancel(rig, runUid), true);
      t.equal(await cancel(rig, runUid), true, "a second one is told that the first is under way");
      t.equal((await rig.ended(runUid)).status, "cancelled");
      const abortedMs = gated.aborts.get("long") ?? Number.POSITIVE_INFINITY;
      t.ok(abortedMs - askedMs < 1000, `the signal fired after ${Math.round(abortedMs - askedMs)} ms`);
      t.same(await statesOf(rig, runUid), {
        long: "cancelled",
        next: "cancelled",
        undo: "succeeded",
        unneeded: "skipped",
      });
      const types = await typesOf(rig, runUid);
      t.ok(types.indexOf("run_cancel_requested") < types.indexOf("run_compensating"));
      t.equal(types.at(-1), "run_cancelled");
      t.match(
        await rig.rows(
          "select kind, actual_tokens from stepgate.cost_ledger where run_uid = $1 and step_id = 'long' order by kind",
          [runUid],
        ),
        [{ kind: "cancelled", actual_tokens: 1 }, { kind: "compensation_scheduled" }],
      );
      await verifies(t, rig, runUid);
    });
  },
);

t.test("a cancelled step that fails by itself before it is aborted is not tried again", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const gated = makeGatedSink(() => failed(true));
    const rig = await startRig(t, { database, packs: { runtime: allow }, adapters: [gated.adapter], tenant });
    const runUid = await rig.submit({
      steps: [step("a", { execution: { max_attempts: 3, retry_backoff_ms: 60_000 } })],
    });
    await rig.until(runUid, () => gated.calls.length === 1);
    const cancelled = cancel(rig, runUid);
    gated.release("a");
    await cancelled;
    t.equal((await rig.ended(runUid)).status, "cancelled");
    t.equal(gated.calls.length, 1);
    await verifies(t, rig, runUid);
  });
});

t.test("a paused run whose last step settles ends when it is resumed", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const gated = makeGatedSink();
    const rig = await startRig(t, { database, packs: { runtime: allow }, adapters: [gated.adapter], tenant });
    const { store } = rig.stepgate.rooms;
    const runUid = await rig.submit({ steps: [step("a")] });
    await rig.until(runUid, () => gated.calls.length === 1);
    t.equal(await store.pause(rig.tenantUid, runUid, "test"), true);
    gated.release("a");
    await rig.until(runUid, (steps) => steps.get("a")?.state === "succeeded");
    t.equal((await store.find(rig.tenantUid, { runUid }))?.status, "paused_at_step");
    await store.resume(rig.tenantUid, runUid, "test");
    t.equal((await rig.ended(runUid)).status, "succeeded");
    await verifies(t, rig, runUid);
  });
});

t.test("fail_fast skips what has not started and lets running steps settle; targets still run", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const gated = makeGatedSink(({ stepId }) => (stepId === "bad" ? failed() : done(null)));
    const rig = await startRig(t, {
      database,
      packs: { runtime: allow },
      adapters: [gated.adapter],
      tenant,
      env: { STEPGATE_MAX_CONCURRENT_STEPS: "2" },
    });
    const ids = Array.from({ length: 6 }, (_, index) => `queued-${index}`);
    const runUid = await rig.submit({
      steps: [
        step("bad", { execution: { compensation: { step: "undo" } } }),
        step("at-work"),
        ...ids.map((id) => step(id)),
        step("after"),
        step("undo"),
      ],
      edges: [["at-work", "after"]],
      run_config: { fail_fast: true, max_parallel: 4 },
    });
    await rig.until(runUid, () => gated.calls.length === 2);
    gated.release("bad");
    await rig.until(runUid, (steps) => steps.get("bad")?.state === "failed");
    const states = await statesOf(rig, runUid);
    t.equal(states["after"], "skipped");
    gated.release("at-work");
    await rig.until(runUid, () => gated.calls.some(({ stepId }) => stepId === "undo"));
    gated.release("undo");
    t.equal((await rig.ended(runUid)).status, "failed");
    t.same(await statesOf(rig, runUid), {
      bad: "failed",
      "at-work": "succeeded",
      ...Object.fromEntries(ids.map((id) => [id, "skipped"])),
      after: "skipped",
      undo: "succeeded",
    });
    await verifies(t, rig, runUid);
  });
});

t.test("fail_fast: a compensation that has to wait is not skipped, a retry that waits is", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink(({ stepId }) => (stepId === "undo" ? done(null) : failed(stepId === "retrying")));
    const rig = await startRig(t, {
      database,
      packs: { runtime: allow },
      adapters: [sink.adapter],
      tenant: { ...tenant, quotas: [{ id: "busy", unit: "concurrent_steps", window: "lifetime", limit: 1 }] },
    });
    const runUid = await rig.submit({
      steps: [
        step("retrying", { execution: { max_attempts: 2, retry_backoff_ms: 60_000 } }),
        step("bad", { execution: { compensation: { step: "undo" } } }),
        step("undo"),
      ],
      run_config: { fail_fast: true },
    });
    const other = await rig.submit({ steps: [step("elsewhere")] });
    t.equal((await rig.ended(runUid)).status, "failed");
    await rig.ended(other);
    t.match(await statesOf(rig, runUid), { retrying: "skipped", bad: "failed", undo: "succeeded" });
    await verifies(t, rig, runUid);
  });
});

t.test("max_parallel bounds a run's rows in the hot queue, sequential to one, and every step runs", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    let mostRows = 0;
    const order: string[] = [];
    const rows = async (runUid: string) =>
      Number(
        (
          await database.pool.query<{ n: number }>(
            "select count(*)::integer as n from stepgate.ready_steps where run_uid = $1",
            [runUid],
          )
        ).rows[0]?.n,
      );
    const sink = makeSink(async ({ stepId, runUid }) => {
      mostRows = Math.max(mostRows, await rows(runUid));
      order.push(stepId);
      return done(null);
    });
    const rig = await startRig(t, { database, packs: { runtime: allow }, adapters: [sink.adapter], tenant });
    const ids = Array.from({ length: 20 }, (_, index) => `s${index}`);
    const wide = await rig.submit({
      steps: [...ids.map((id) => step(id)), step("join")],
      edges: ids.map((id) => [id, "join"]),
      run_config: { max_parallel: 3 },
    });
    t.equal((await rig.ended(wide)).status, "succeeded");
    t.equal(sink.calls.length, 21);
    t.ok(mostRows >= 2 && mostRows <= 3, `never more than 3 rows, seen ${mostRows}`);
    t.match(
      (
        await rig.rows("select ready_rows, unplaced_steps, open_steps from stepgate.run_heads where run_uid = $1", [
          wide,
        ])
      )[0],
      { ready_rows: 0, unplaced_steps: 0, open_steps: 0 },
    );
    mostRows = 0;
    order.length = 0;
    const narrow = await rig.submit({
      steps: ids.map((id) => step(id)),
      run_config: { execution_mode: "sequential" },
    });
    t.equal((await rig.ended(narrow)).status, "succeeded");
    t.equal(mostRows, 1);
    t.same(order, ids, "in the order of the plan");
    await verifies(t, rig, narrow);
  });
});

t.test("a deadline that passes while a step waits refuses it; one that passes while it runs aborts it", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const gated = makeGatedSink();
    const rig = await startRig(t, { database, packs: { runtime: allow }, adapters: [gated.adapter], tenant });
    const running = await rig.submit({
      steps: [
        step("late", { execution: { deadline_ms: 300, max_attempts: 5, compensation: { step: "undo" } } }),
        step("undo"),
      ],
    });
    await rig.until(running, () => gated.calls.some(({ stepId }) => stepId === "undo"));
    gated.release("undo");
    await rig.ended(running);
    t.match((await rig.steps(running)).get("late"), {
      state: "failed",
      errorKind: "deadline_exceeded",
      attemptsMade: 1,
    });
    t.equal((await rig.steps(running)).get("undo")?.state, "succeeded", "an attempt was made: it is compensated");
    const before = gated.calls.length;
    const waiting = await rig.submit({
      steps: [step("first"), step("never", { execution: { deadline_ms: 30 } })],
      run_config: { execution_mode: "sequential" },
    });
    await rig.until(waiting, () => gated.calls.length === before + 1);
    // the deadline of a step counts from when it is ready, which is at submission: it passes while the other one runs
    await rig.until(waiting, (_, run) => Date.now() > run.submittedAtMs + 60);
    gated.release("first");
    t.equal((await rig.ended(waiting)).status, "failed");
    t.match((await rig.steps(waiting)).get("never"), {
      state: "failed",
      errorKind: "deadline_exceeded",
      attemptsMade: 0,
    });
    const limited = await rig.submit({
      steps: [step("over"), step("more")],
      edges: [["over", "more"]],
      time_limit_ms: 250,
    });
    t.equal((await rig.ended(limited)).status, "failed");
    t.match(await statesOf(rig, limited), { over: "failed", more: "skipped" });
    t.equal((await rig.steps(limited)).get("over")?.errorKind, "deadline_exceeded");
    for (const runUid of [running, waiting, limited]) await verifies(t, rig, runUid);
  });
});

t.test("a pack brings a deadline forward and cannot put it off", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const gated = makeGatedSink();
    const runtime: Decide = ({ step, execution }) => {
      const wanted = { sooner: 200, later: 600_000, bounded: 200 }[isJsonObject(step) ? String(step["id"]) : ""];
      const isDone = !isJsonObject(execution) || execution["deadline_ms"] === wanted || wanted === undefined;
      return isDone
        ? { effect: "allow" }
        : {
            effect: "redact",
            reasons: ["deadline"],
            patches: [{ op: "replace", path: "/execution/deadline_ms", value: wanted }],
          };
    };
    const rig = await startRig(t, { database, packs: { runtime }, adapters: [gated.adapter], tenant });
    const runUid = await rig.submit({
      steps: [
        step("sooner", { execution: { deadline_ms: 60_000 } }),
        step("later", { execution: { deadline_ms: 500 } }),
        step("bounded", {}),
      ],
    });
    await rig.ended(runUid);
    const steps = await rig.steps(runUid);
    for (const id of ["sooner", "later", "bounded"]) t.equal(steps.get(id)?.errorKind, "deadline_exceeded", id);
    await verifies(t, rig, runUid);
  });
});
