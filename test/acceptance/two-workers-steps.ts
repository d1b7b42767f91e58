/**
 * What steps go through where two worker processes share one database (spec 01: A3 to A8, A10, A12, A20; spec 03: B2, B3, B8).
 *
 * Each worker may have one dollar in flight: two steps that ask for a dollar each are never in the same hands.
 */
import type { RunUid } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { ExecutorResult } from "../../src/executors/contract.ts";
import { verifies } from "./evidence-of.ts";
import { done, failure, type Rig } from "./rig.ts";
import { type Cases, DOLLAR, makeMeeting, twice } from "./two-workers.ts";

/** A step that asks for so much; a dollar by default. */
const step = (
  id: string,
  { cost_hint = { usd_micros: DOLLAR }, ...execution }: JsonObject = {},
  more: JsonObject = {},
) => ({
  ...{ id, type: "sink", inputs: {}, execution: { cost_hint, ...execution } },
  ...more,
});
const eventOf = async (rig: Rig, runUid: RunUid, type: string): Promise<JsonObject> =>
  (await rig.events(runUid)).find((event) => event.type === type)?.data ?? {};
/** What the audit log says of one action on a run, oldest first. */
const auditsOf = async (rig: Rig, action: string, runUid: RunUid): Promise<readonly JsonObject[]> => {
  const rows = await rig.rows(
    "select resource from stepgate.audit_log where action = $1 and resource::jsonb ->> 'run_id' = $2 order by seq",
    [action, runUid],
  );
  return rows.map(({ resource }) => JSON.parse(String(resource)) as JsonObject);
};
const budgetOf = (rig: Rig, runUid: RunUid) =>
  rig.rows("select tokens_used, tokens_reserved from stepgate.budgets where run_uid = $1", [runUid]);

export const stepCases: Cases = {
  "A3 B8 a failing step is tried again after its backoff, each attempt charged, then fails without compensation":
    async (t, two) => {
      const { rig } = two;
      const meet = makeMeeting();
      const calls = two.play(async ({ pid }) => {
        await meet(pid);
        return failure();
      });
      const hint = { tokens: 5, usd_micros: DOLLAR };
      const runs = await twice(two, {
        steps: [step("a", { max_attempts: 2, retry_backoff_ms: 10, cost_hint: hint })],
        budget: { tokens: 100 },
      });
      for (const runUid of runs) {
        t.equal((await rig.ended(runUid)).status, "failed");
        const retry = await eventOf(rig, runUid, "step_retry_scheduled");
        t.match(retry, { attempt: 1, error_kind: "execution_error", reason: "retry" });
        t.ok(typeof retry["not_before_ms"] === "number");
        t.match(await auditsOf(rig, "step.retry", runUid), [
          { step_id: "a", attempt: 1, status: "retry_scheduled", not_before_ms: retry["not_before_ms"] },
        ]);
        t.match((await rig.steps(runUid)).get("a"), { state: "failed", attemptsMade: 2, errorKind: "execution_error" });
        t.match(
          await rig.rows(
            "select kind, actual_tokens, actual_usd_micros from stepgate.cost_ledger where run_uid = $1 order by lease_epoch",
            [runUid],
          ),
          [
            { kind: "retry_scheduled", actual_tokens: 3, actual_usd_micros: 7 },
            { kind: "failed", actual_tokens: 3, actual_usd_micros: 7 },
          ],
        );
        t.match(await budgetOf(rig, runUid), [{ tokens_used: 6, tokens_reserved: 0 }]);
        t.notOk((await rig.events(runUid)).some(({ type }) => type === "compensation_scheduled"));
      }
      t.equal(calls.length, 4);
      t.equal(await two.workersOf(...runs), 2);

      const backoffMs = 300_000;
      const waiting = await rig.submit({
        steps: [step("a", { max_attempts: 2, retry_backoff_ms: backoffMs })],
        budget: { tokens: 100 },
      });
      await rig.until(waiting, (steps) => steps.get("a")?.attemptsMade === 1 && steps.get("a")?.state !== "running");
      const between = (await rig.steps(waiting)).get("a");
      t.match(between, { state: "queued", attemptsMade: 1 }, "between two attempts");
      const untilMs = (between?.notBeforeMs ?? 0) - Date.now();
      t.ok(untilMs > backoffMs / 2 && untilMs <= backoffMs, `not before ${untilMs} ms from now`);
      t.match(await budgetOf(rig, waiting), [{ tokens_used: 3, tokens_reserved: 0 }], "the first is charged");
      await rig.stepgate.rooms.store.cancel(rig.tenantUid, waiting, "test");
    },

  "A4 a step above the in-flight ceilings is put back unrecorded and runs when there is room": async (t, two) => {
    const { rig } = two;
    const release: (() => void)[] = [];
    const calls = two.play(({ stepId }) =>
      stepId === "big"
        ? new Promise<ExecutorResult>((resolve) => {
            release.push(() => resolve(done(null)));
          })
        : done(null),
    );
    const bigs = await twice(two, { steps: [step("big")] });
    for (const big of bigs) await rig.until(big, (steps) => steps.get("big")?.state === "running");
    const small = await rig.submit({ steps: [step("small", { cost_hint: { usd_micros: DOLLAR / 2 } })] });
    await rig.untilEvent(small, ({ type, data }) => type === "step_queued" && data["reason"] === "backpressure");
    // it is tried again every 50 ms, and put back each time
    await rig.until(small, (steps) => {
      const { state, notBeforeMs = 0, attemptsMade, recordIds } = steps.get("small") ?? {};
      return state === "queued" && notBeforeMs > 0 && attemptsMade === 0 && recordIds?.length === 0;
    });
    t.same(
      await rig.rows("select record_id from stepgate.records where run_uid = $1", [small]),
      [],
      "putting it back is no decision",
    );
    for (const next of release) next();
    for (const runUid of [small, ...bigs]) t.equal((await rig.ended(runUid)).status, "succeeded");
    t.same(new Set(calls.slice(0, 2).map(({ pid }) => pid)), new Set(two.pids), "each had its hands full");
  },

  "A5 a checkpoint is stored and handed to the next attempt, also by another worker": async (t, two) => {
    const { rig } = two;
    const meet = makeMeeting();
    const first = new Map<RunUid, number>();
    let hasCrossed = false;
    const calls = two.play(async ({ runUid, attempt, pid }) => {
      if (attempt === 1) {
        first.set(runUid, pid);
        await meet(pid);
        return failure({ checkpoint: { state: 42 } });
      }
      hasCrossed ||= first.get(runUid) !== pid;
      return hasCrossed ? done(null) : failure();
    });
    const runs = await twice(two, { steps: [step("a", { max_attempts: 100, retry_backoff_ms: 1 })] });
    for (const runUid of runs) t.equal((await rig.ended(runUid)).status, "succeeded");
    t.ok(hasCrossed);
    for (const { attempt, checkpoint } of calls) t.same(checkpoint, attempt === 1 ? undefined : { state: 42 });
    const stored = await rig.rows(
      "select 1 from stepgate.blobs where run_uid::text = any (string_to_array($1, ',')) and field = 'checkpoint'",
      [runs.join()],
    );
    t.equal(stored.length, 2);
  },

  "A6 A7 B3 a failed step is compensated once, while the run is compensating, both ledgers right": async (t, two) => {
    const { rig } = two;
    const meet = makeMeeting();
    two.play(async ({ stepId, pid }) => {
      if (stepId === "undo") return done(null, { tokens: 5, usdMicros: 250_000 });
      await meet(pid);
      return failure({ retryable: false, usage: { tokens: 20, usdMicros: 100_000 } });
    });
    const hint = (tokens: number, usd_micros: number) => ({ cost_hint: { tokens, usd_micros } });
    const runs = await twice(two, {
      steps: [
        step("origin", { ...hint(50, 1_500_000), compensation: { step: "undo" } }),
        step("undo", hint(10, 500_000), { inputs: { was: { $from: "origin", pointer: "/inputs" } } }),
      ],
      budget: { tokens: 1000, usd_micros: 10_000_000 },
    });
    for (const runUid of runs) {
      t.equal((await rig.ended(runUid)).status, "failed");
      const log = (await rig.events(runUid)).map(({ type, stepId }) => `${type} ${stepId ?? ""}`.trim());
      const inOrder = [
        "step_failed origin",
        "run_compensating",
        "step_started undo",
        "step_succeeded undo",
        "run_failed",
      ];
      t.same(
        log.filter((entry) => inOrder.includes(entry)),
        inOrder,
        "it runs while the run is compensating",
      );
      const written = await rig.rows(
        `select type, xmin::text as transaction from stepgate.run_events
          where run_uid = $1 and type in ('step_failed', 'compensation_scheduled') order by type`,
        [runUid],
      );
      t.match(written, [{ type: "compensation_scheduled" }, { type: "step_failed" }], "each once");
      t.equal(written[0]?.["transaction"], written[1]?.["transaction"], "scheduled in the transaction that fails it");
      t.same(await auditsOf(rig, "step.compensation", runUid), [
        { run_id: runUid, step_id: "origin", compensation_step: "undo" },
      ]);
      t.match(
        await rig.rows(
          `select step_id, kind, reserved_tokens, reserved_usd_micros, actual_tokens, actual_usd_micros
             from stepgate.cost_ledger where run_uid = $1 order by lease_epoch, kind`,
          [runUid],
        ),
        [
          { step_id: "origin", kind: "compensation_scheduled", reserved_tokens: 0 },
          { step_id: "origin", kind: "failed", reserved_tokens: 50, reserved_usd_micros: 1_500_000 },
          {
            ...{ step_id: "undo", kind: "succeeded", reserved_tokens: 10, reserved_usd_micros: 500_000 },
            ...{ actual_tokens: 5, actual_usd_micros: 250_000 },
          },
        ],
      );
    }
    t.equal(await two.workersOf(...runs), 2);
  },

  "A8 a failing root skips its child": async (t, two) => {
    const { rig } = two;
    const meet = makeMeeting();
    const calls = two.play(async ({ pid }) => {
      await meet(pid);
      return failure({ retryable: false });
    });
    const ids = ["root", "child", "grandchild"];
    const runs = await twice(two, {
      steps: ids.map((id) => step(id)),
      edges: [
        ["root", "child"],
        ["child", "grandchild"],
      ],
    });
    for (const runUid of runs) {
      await rig.ended(runUid);
      const steps = await rig.steps(runUid);
      t.match(
        ids.map((id) => steps.get(id)?.state),
        ["failed", "skipped", "skipped"],
      );
      const types = (await rig.events(runUid)).map(({ type }) => type);
      t.ok(types.includes("step_failed") && types.includes("step_skipped"));
    }
    t.same(new Set(calls.map(({ pid }) => pid)), new Set(two.pids));
    t.equal(calls.length, 2);
  },

  "A10 two real programs: the second prints what the first printed, by $from": async (t, two) => {
    const { rig } = two;
    const nonce = `nonce-${Math.random()}`;
    const echo = (id: string, text: string | { readonly $from: string; readonly pointer: string }) => ({
      ...step(id, {}, { type: "process", inputs: { command: ["echo", "-n", text] } }),
    });
    const runs: RunUid[] = [];
    // a worker that has one in hand leaves the other to its neighbour
    while ((await two.workersOf(...runs)) < 2) {
      const pair = await twice(two, {
        steps: [echo("first", nonce), echo("second", { $from: "first", pointer: "/stdout" })],
        edges: [["first", "second"]],
      });
      for (const runUid of pair) t.equal((await rig.ended(runUid)).status, "succeeded");
      runs.push(...pair);
    }
    const { store, vaults } = rig.stepgate.rooms;
    const vault = await vaults.of(rig.tenantUid);
    for (const runUid of runs) {
      const steps = [...(await rig.steps(runUid)).values()];
      t.match(
        steps.map(({ stepId, state, attemptsMade }) => [stepId, state, attemptsMade]),
        [
          ["first", "succeeded", 1],
          ["second", "succeeded", 1],
        ],
      );
      for (const { stepId, outputBlob } of steps) {
        const blob = outputBlob === undefined ? undefined : await store.readBlob(rig.tenantUid, outputBlob);
        t.match(blob && JSON.parse(vault.open(blob, blob)), { value: { stdout: nonce, exit_code: 0 } }, stepId);
      }
    }
  },

  "A12 B2 the step's own budget is its cap": async (t, two) => {
    const { rig } = two;
    const calls = two.play(() => done(null));
    const runs: RunUid[] = [];
    // refused before anybody could wait for the other: until both have met one
    while ((await two.workersOf(...runs)) < 2) {
      const policy = { budget: { tokens: 10 } };
      const pair = await twice(two, { steps: [step("a", { cost_hint: { tokens: 20 } }, { policy })] });
      for (const runUid of pair) await rig.ended(runUid);
      runs.push(...pair);
    }
    for (const runUid of runs) {
      t.match((await rig.steps(runUid)).get("a"), { state: "failed", errorKind: "budget_exceeded", attemptsMade: 0 });
      t.match(await eventOf(rig, runUid, "step_refused"), { error_kind: "budget_exceeded" });
    }
    t.equal(calls.length, 0);
  },

  "A20 one result that cannot be stored among 64: it ends result_not_storable, 63 settle": async (t, two) => {
    const { rig } = two;
    let arrive = (): void => undefined;
    const all = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    const calls = two.play(async ({ stepId }, number) => {
      if (number === 64) arrive();
      await all;
      return done(stepId === "s13" ? { text: "a\u0000b" } : { text: "fine" });
    });
    // as many as both may have in flight together
    const share = { cost_hint: { usd_micros: DOLLAR / 32 } };
    const runUid = await rig.submit({ steps: Array.from({ length: 64 }, (_, index) => step(`s${index}`, share)) });
    await rig.ended(runUid);
    t.same(
      two.pids.map((pid) => calls.filter((call) => call.pid === pid).length),
      [32, 32],
    );
    const steps = [...(await rig.steps(runUid)).values()];
    t.equal(steps.filter(({ state }) => state === "succeeded").length, 63);
    t.match(
      steps.find(({ stepId }) => stepId === "s13"),
      { state: "failed", errorKind: "result_not_storable", attemptsMade: 1 },
    );
    await verifies(t, rig, runUid);
  },
};
