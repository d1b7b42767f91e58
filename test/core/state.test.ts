import t from "tap";
import {
  canRunMove,
  canStepMove,
  isRunEnded,
  isStepEnded,
  RUN_STATES,
  RUN_TRANSITIONS,
  STEP_STATES,
  STEP_TRANSITIONS,
} from "../../src/core/state.ts";

/** The two tables of spec 00, written down a second time: a pair is here or it is refused. */
const STEP_MOVES = `
  blocked queued · blocked skipped · blocked cancelled
  queued leased · queued failed · queued skipped · queued cancelled
  leased queued · leased held · leased failed · leased running · leased cancelled
  held queued · held failed · held skipped · held cancelled
  running waiting · running succeeded · running failed · running queued · running cancelled
  waiting queued · waiting succeeded · waiting failed · waiting cancelled
  failed queued`;
const RUN_MOVES = `
  pending running · pending paused_at_step · pending cancelling · pending failed · pending cancelled
  running succeeded · running failed · running compensating · running paused_at_step · running cancelling · running pending
  paused_at_step pending · paused_at_step running · paused_at_step compensating · paused_at_step cancelling
  paused_at_step succeeded · paused_at_step failed
  cancelling compensating · cancelling cancelled
  compensating failed · compensating cancelled · compensating paused_at_step`;

const pairsIn = (table: string) => new Set(table.split(/[·\n]/).map((pair) => pair.trim().split(/\s+/).join(" → ")));

t.test("a step moves along the spec's pairs and no other", async (t) => {
  const allowed = pairsIn(STEP_MOVES);
  for (const from of STEP_STATES)
    for (const to of STEP_STATES) t.equal(canStepMove(from, to), allowed.has(`${from} → ${to}`), `${from} → ${to}`);
});

t.test("a run moves along the spec's pairs and no other", async (t) => {
  const allowed = pairsIn(RUN_MOVES);
  for (const from of RUN_STATES)
    for (const to of RUN_STATES) t.equal(canRunMove(from, to), allowed.has(`${from} → ${to}`), `${from} → ${to}`);
});

t.test("what has ended stays ended, but for a failed step of a script", async (t) => {
  for (const state of STEP_STATES) {
    const exits = STEP_TRANSITIONS[state].length;
    if (isStepEnded(state)) t.equal(exits, state === "failed" ? 1 : 0, state);
    else t.ok(exits > 0 && STEP_TRANSITIONS[state].includes("cancelled"), `${state} is open: it can be cancelled`);
  }
  for (const state of RUN_STATES) t.equal(RUN_TRANSITIONS[state].length === 0, isRunEnded(state), state);
});

t.test("every open state can reach an end, and every state can be reached from the first", async (t) => {
  const reach = <S extends string>(table: Readonly<Record<S, readonly S[]>>, ...from: readonly S[]): ReadonlySet<S> => {
    const seen = new Set<S>(from);
    for (const state of seen) for (const next of table[state]) seen.add(next);
    return seen;
  };
  t.strictSame([...reach(STEP_TRANSITIONS, "queued", "blocked")].sort(), [...STEP_STATES].sort());
  t.strictSame([...reach(RUN_TRANSITIONS, "pending")].sort(), [...RUN_STATES].sort());
  for (const state of STEP_STATES) t.ok([...reach(STEP_TRANSITIONS, state)].some(isStepEnded), state);
  for (const state of RUN_STATES) t.ok([...reach(RUN_TRANSITIONS, state)].some(isRunEnded), state);
});
