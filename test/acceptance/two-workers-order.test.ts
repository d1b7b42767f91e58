/**
 * Who is served first where two worker processes claim from one queue (spec 02: S1, S2, S3, S6).
 *
 * Each worker does one step at a time: while both have one in hand, what is submitted waits, and whoever is let go takes the
 * first of what waits. So the order of calls is the order of the queue, and the test says whose turn it is.
 */
import t from "tap";
import type { RunUid } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { ExecutorResult } from "../../src/executors/contract.ts";
import { forEachDatabase } from "../storage/test-database.ts";
import { age, gold } from "./contracts.ts";
import { verifies } from "./evidence-of.ts";
import { done } from "./rig.ts";
import { type Cases, type PlayedCall, runCases, startTwoWorkers, type TwoWorkers } from "./two-workers.ts";

const step = (id: string, more: JsonObject = {}) => ({ id, type: "sink", inputs: {}, ...more });
const sloStep = (id: string, slo: JsonObject = gold) => step(id, { policy: { slo } });

const PATIENCE_MS = 60_000;

interface Hands {
  readonly calls: readonly PlayedCall[];
  /** Lets the worker end what it has in hand. */
  readonly letGo: (pid: number, result?: ExecutorResult) => void;
  /** Resolves with the next call that was not asked for yet. */
  readonly next: () => Promise<PlayedCall>;
}

/** Both keep what they call until they are let go. */
function takeHands(two: TwoWorkers): Hands {
  const inHand = new Map<number, (result: ExecutorResult) => void>();
  let wake = (): void => undefined;
  let seen = 0;
  const calls = two.play(
    ({ pid }) =>
      new Promise((resolve) => {
        inHand.set(pid, resolve);
        wake();
      }),
  );
  return {
    calls,
    letGo: (pid, result = done(null)) => inHand.get(pid)?.(result),
    next: async () => {
      for (;;) {
        const call = calls[seen];
        if (call !== undefined) {
          seen += 1;
          return call;
        }
        await new Promise<void>((resolve, reject) => {
          const overdue = setTimeout(() => reject(new TypeError("nobody calls")), PATIENCE_MS);
          wake = () => {
            clearTimeout(overdue);
            resolve();
          };
        });
      }
    },
  };
}

/** One step in the hands of each worker; the rest waits. */
async function fillHands(two: TwoWorkers): Promise<Hands> {
  const hands = takeHands(two);
  for (const id of ["one", "other"]) await two.rig.submit({ steps: [step(id)], priority: 30_000 });
  t.not((await hands.next()).pid, (await hands.next()).pid);
  return hands;
}

async function emptyHands(two: TwoWorkers, { letGo }: Hands, runs: readonly RunUid[]): Promise<void> {
  two.play(() => done(null));
  for (const pid of two.pids) letGo(pid);
  for (const runUid of runs) await two.rig.ended(runUid);
}

const cases: Cases = {
  "S2 a contract comes before none, a breached one first, then priority, then the longer wait": async (t, two) => {
    const { rig } = two;
    const hands = await fillHands(two);
    const names = new Map<string, string>();
    const submit = async (name: string, agoMs: number, submission: JsonObject) => {
      const runUid = await rig.submit(submission);
      await age(rig, runUid, agoMs);
      names.set(runUid, name);
    };
    await submit("low, waits longest", 9000, { steps: [step("a")], priority: -1 });
    await submit("plain, waits", 5000, { steps: [step("a")] });
    await submit("plain, waits longer", 6000, { steps: [step("a")] });
    await submit("urgent without contract", 1, { steps: [step("a")], priority: 100 });
    await submit("healthy contract", 1, { steps: [sloStep("a", { ...gold, queue_target_ms: 30_000 })] });
    await submit("breached contract", 5000, { steps: [sloStep("a")] });
    const served: (string | undefined)[] = [];
    // by turns, so that what one worker passes over is not what the other takes
    for (let turn = 0; turn < names.size; turn += 1) {
      const pid = two.pids[turn % 2] ?? 0;
      hands.letGo(pid);
      const call = await hands.next();
      t.equal(call.pid, pid);
      served.push(names.get(call.runUid));
    }
    t.same(served, [
      "breached contract",
      "healthy contract",
      "urgent without contract",
      "plain, waits longer",
      "plain, waits",
      "low, waits longest",
    ]);
    await emptyHands(two, hands, [...names.keys()] as RunUid[]);
    const epochs = await rig.rows(
      `select lease_epoch from stepgate.step_attempts where run_uid::text = any (string_to_array($1, ','))
        order by array_position(string_to_array($1, ','), run_uid::text)`,
      [
        hands.calls
          .slice(2)
          .map(({ runUid }) => runUid)
          .join(),
      ],
    );
    t.ok(
      epochs.every(
        ({ lease_epoch: epoch }, index) => index === 0 || Number(epoch) > Number(epochs[index - 1]?.["lease_epoch"]),
      ),
      "every claim has a new, larger epoch, whoever claims",
    );
  },

  "S3 the one breached step is the next that is claimed before 10 000 of low priority": async (t, two) => {
    const { rig } = two;
    const hands = await fillHands(two);
    const crowd = await rig.submit({ steps: [step("a")], priority: -10 });
    // a backlog as 10 000 submissions would leave it, without their time
    await rig.rows(
      `insert into stepgate.ready_steps (tenant_uid, run_uid, step_id, type, is_contracted, breach_at, priority, ready_at, not_before, attempts_made)
       select tenant_uid, run_uid, 'crowd-' || n, type, is_contracted, breach_at, priority, ready_at, not_before, 0
         from stepgate.ready_steps, generate_series(1, 10000) n where run_uid = $1`,
      [crowd],
    );
    const runs: RunUid[] = [];
    for (const pid of two.pids) {
      // nothing but its contract puts it first
      const plan = { steps: [sloStep("breached", { ...gold, priority_boost: 0 })], priority: -20 };
      const breached = await rig.submit(plan);
      await age(rig, breached, 1500);
      hands.letGo(pid);
      t.match(await hands.next(), { runUid: breached, pid });
      runs.push(breached);
    }
    await rig.rows("delete from stepgate.ready_steps where run_uid = $1 and step_id like 'crowd-%'", [crowd]);
    await emptyHands(two, hands, [...runs, crowd]);
  },

  "S1 a step 1 500 ms old with a target of 1 000 is seen with a slack of −500, by either worker": async (t, two) => {
    const { rig } = two;
    const hands = await fillHands(two);
    const runs: RunUid[] = [];
    for (const pid of two.pids) {
      // what its tier does not grant is not shown either
      const runUid = await rig.submit({
        steps: [sloStep("a", { ...gold, queue_target_ms: 1, priority_boost: 30_000 })],
      });
      await age(rig, runUid, 1500);
      hands.letGo(pid);
      const { slo: told, ...call } = await hands.next();
      t.match(call, { runUid, pid });
      const asked = two.decided().find(({ run }) => (run as JsonObject)["id"] === runUid);
      t.match(asked?.["slo"], { tier: "gold", queue_target_ms: 1000, priority_boost: 3, error_budget_ppm: 250_000 });
      t.match(asked?.["policy"], { slo: { queue_target_ms: 1000, priority_boost: 3 } }, "and nowhere the wish");
      const { observed_queue_ms: observed, slack_ms: slack } = told;
      t.ok(Number(observed) >= 1500);
      t.equal(Number(slack), 1000 - Number(observed));
      t.same(told, asked?.["slo"], "the executor is told the same");
      const [row] = await rig.rows("select queue_target_ms, priority from stepgate.steps where run_uid = $1", [runUid]);
      t.match(row, { queue_target_ms: 1000, priority: 3 }, "as the queue ranks it");
      runs.push(runUid);
    }
    await emptyHands(two, hands, runs);
  },

  "S6 a breakpoint pauses before anything is decided, resume goes on, a sibling's end leaves the pause": async (
    t,
    two,
  ) => {
    const { rig } = two;
    const { store } = rig.stepgate.rooms;
    const hands = takeHands(two);
    const runUid = await rig.submit({
      steps: [step("sibling"), step("a", { slug: "stop-here" }), step("b")],
      edges: [["a", "b"]],
      debug: { breakpoints: [{ target: "slug", value: "stop-here" }] },
    });
    await rig.until(runUid, (_, run) => run.status === "paused_at_step");
    const sibling = await hands.next();
    t.equal(sibling.stepId, "sibling");
    const run = await store.find(rig.tenantUid, { runUid });
    t.equal(run?.pause?.stepId, "a", "inspecting says where");
    t.same(await store.breakpoints(rig.tenantUid, runUid), [], "a breakpoint stops once");
    t.match((await rig.steps(runUid)).get("a"), { state: "queued", attemptsMade: 0, recordIds: [] });
    t.notOk(two.decided().some((input) => (input["step"] as JsonObject)["id"] === "a"));
    hands.letGo(sibling.pid);
    await rig.until(runUid, (steps) => steps.get("sibling")?.state === "succeeded");
    t.equal(
      (await store.find(rig.tenantUid, { runUid }))?.status,
      "paused_at_step",
      "the sibling's end leaves the pause",
    );
    await store.changeBreakpoint({
      tenantUid: rig.tenantUid,
      runUid,
      breakpoint: { target: "step", value: "b" },
      isSet: true,
      actor: "test",
    });
    // with its hands full, the sibling's worker leaves the rest to the other
    await rig.submit({ steps: [step("hog")], priority: 30_000 });
    const hog = await hands.next();
    t.equal(await store.resume(rig.tenantUid, runUid, "test"), true);
    t.equal(await store.resume(rig.tenantUid, runUid, "test"), false, "a run that is not paused is not resumed");
    const resumed = await hands.next();
    t.equal(resumed.stepId, "a");
    t.not(resumed.pid, hog.pid, "another worker goes on");
    hands.letGo(resumed.pid);
    await rig.until(runUid, (_, found) => found.status === "paused_at_step" && found.pause?.stepId === "b");
    t.equal(hands.calls.length, 3, "the second breakpoint pauses again");
    hands.letGo(hog.pid);
    await store.resume(rig.tenantUid, runUid, "test");
    const last = await hands.next();
    hands.letGo(last.pid);
    t.equal((await rig.ended(runUid)).status, "succeeded");
    const types = (await rig.events(runUid)).map(({ type }) => type);
    t.same(
      types.filter((type) => type === "run_paused" || type === "run_resumed" || type === "breakpoint_set"),
      ["run_paused", "breakpoint_set", "run_resumed", "run_paused", "run_resumed"],
    );
    const audits = await rig.rows("select action from stepgate.audit_log where action = 'debug.breakpoints.pause'");
    t.equal(audits.length, 2);
    await verifies(t, rig, runUid);
  },
};

t.test("two worker processes, one step at a time each", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const two = await startTwoWorkers(t, database, { STEPGATE_MAX_CONCURRENT_STEPS: "1", STEPGATE_BATCH_SIZE: "1" });
    await runCases(t, two, cases);
  });
});
