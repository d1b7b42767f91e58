/** The order of a round of retention: what is not done is not taken for done, and a table that others hold is asked for rarely. */
import t from "tap";
import type { DropOutcome, HistoryStore, Removal, WindowVerdict } from "../../src/scheduler/ports.ts";
import { makeMaintain, type RetentionDeps, type RetentionReport } from "../../src/scheduler/retention.ts";

const done = { removed: 0, isDone: true };
const some = (removed: number): Removal => ({ removed, isDone: false });

interface Script {
  readonly runs?: readonly Removal[];
  readonly verdicts?: readonly WindowVerdict[];
  readonly drops?: readonly DropOutcome[];
  readonly makes?: readonly ("made" | "locked")[];
}

/** A round over one window of two tables; what the store answers next, and which calls it got. */
function startRound({ runs = [], verdicts = [], drops = [], makes = [] }: Script, more: Partial<RetentionDeps> = {}) {
  const left = { runs: [...runs], verdicts: [...verdicts], drops: [...drops], makes: [...makes] };
  const calls: string[] = [];
  const pauses: number[] = [];
  const progress: RetentionReport[] = [];
  let nowMs = 0;
  const store: HistoryStore = {
    planWindows: async () => undefined,
    missingPartitions: async () => makes.slice(0, 1).map(() => ({ relation: "records", name: "next" })),
    makePartition: async () => left.makes.shift() ?? "made",
    dueRanges: async () => [{ name: "w", firstUid: "0", endUid: "1", endsAtMs: 0 }],
    judgeWindow: async () => left.verdicts.shift() ?? "dropping",
    retireRuns: async ({ hasHistory }) => {
      calls.push(hasHistory ? "runs with history" : "runs");
      return left.runs.shift() ?? done;
    },
    retireDecisions: async () => {
      calls.push("decisions");
      return done;
    },
    retireOrphans: async () => {
      calls.push("orphans");
      return done;
    },
    eraseInputs: async () => done,
    retireLeftovers: async () => done,
    historyTables: async () => ["records", "record_batches"],
    dropPartition: async ({ relation, maxKept }) => {
      calls.push(`drop ${relation} ${maxKept}`);
      return left.drops.shift() ?? "dropped";
    },
    forgetWindow: async () => {
      calls.push("forget");
    },
  };
  const maintain = makeMaintain({
    store,
    windowDays: 7,
    maxMoved: 9,
    isDropping: true,
    isStopping: () => false,
    clock: { monotonicMs: () => nowMs },
    pause: async (ms) => {
      pauses.push(ms);
      nowMs += ms;
    },
    onProgress: (report) => progress.push(report),
    ...more,
  });
  return { round: maintain(undefined), calls, pauses, progress };
}

const dropAll = ["drop records 9", "drop record_batches 9", "forget"];

t.test(
  "a window is dropped once all of its runs are gone, and reports count from the beginning of the round",
  async (t) => {
    const { round, calls, progress } = startRound({ runs: [some(200), some(200), { removed: 7, isDone: true }] });
    t.match(await round, { runs: 407, dropped: 2 });
    t.same(calls, ["runs", "runs", "runs", ...dropAll]);
    t.match(progress, [
      { runs: 200, dropped: 0 },
      { runs: 400, dropped: 0 },
      { runs: 407, dropped: 0 },
      { runs: 407, dropped: 1 },
      { runs: 407, dropped: 2 },
    ]);
  },
);

t.test("a window stays as long as something is not done", async (t) => {
  const runs = [some(200), some(0)];
  const cases: readonly (readonly [string, Script, readonly string[]])[] = [
    ["others hold runs, or another maintains", { runs }, ["runs", "runs"]],
    ["what stays has grown", { verdicts: ["dropping", "stuck"] }, ["runs"]],
    ["another maintains now", { verdicts: ["dropping", "busy"] }, ["runs"]],
    ["nothing may go", { verdicts: ["nothing"] }, []],
    ["much must stay", { verdicts: ["by_run"] }, ["runs with history", "decisions"]],
    ["much must stay by now", { verdicts: ["stuck"] }, ["runs with history", "orphans", "decisions"]],
    ["a table must wait", { drops: ["later"] }, ["runs", "drop records 9"]],
    ["one is gone already", { drops: ["gone"] }, ["runs", ...dropAll]],
  ];
  for (const [why, script, wanted] of cases) {
    const { round, calls } = startRound(script);
    await round;
    t.same(calls, wanted, why);
  }
});

t.test("a table that others hold is asked for after longer and longer pauses, and for a minute at most", async (t) => {
  const locked = (count: number) => Array.from({ length: count }, () => "locked" as const);
  const freed = startRound({ drops: locked(2), makes: ["locked", "made"] });
  t.match(await freed.round, { made: 1, dropped: 2 });
  t.same(freed.pauses, [1000, 1000, 2000], "each table from the beginning");
  const held = startRound({ drops: locked(100) });
  await t.rejects(held.round, { code: "STORE_BUSY" });
  t.same(held.pauses, [1000, 2000, 4000, 8000, 16_000, 16_000]);
  const stopped = startRound({ drops: locked(100) }, { isStopping: () => stopped.calls.includes("drop records 9") });
  await t.rejects(stopped.round, { code: "STORE_BUSY" });
  t.same(stopped.pauses, [], "not while the process stops");
});
