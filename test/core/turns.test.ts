/** Turns of the event loop, by a clock of the test's own. */
import t from "tap";
import { makeTurns } from "../../src/core/turns.ts";

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

t.test("work goes on at once until its slice is over, then waits for the next turn", async (t) => {
  let nowMs = 100;
  const takeTurn = makeTurns({ monotonicMs: () => nowMs }, 10);
  t.equal(takeTurn(), undefined, "the first piece");
  nowMs += 9;
  t.equal(takeTurn(), undefined, "within the slice");
  nowMs += 1;
  const first = takeTurn();
  t.ok(first, "the slice is over");
  t.equal(takeTurn(), first, "all wait for the same turn, whatever the time");
  await first;
  t.equal(takeTurn(), undefined, "a new slice");
  nowMs += 9;
  t.equal(takeTurn(), undefined, "which is whole");
});

t.test("a slice ends with its turn, however short it was", async (t) => {
  let nowMs = 0;
  const takeTurn = makeTurns({ monotonicMs: () => nowMs }, 10);
  t.equal(takeTurn(), undefined);
  await nextTurn();
  nowMs += 50;
  t.equal(takeTurn(), undefined, "time that others took is not counted");
});

t.test("who waited goes on in order, and other work came between", async (t) => {
  let nowMs = 0;
  const takeTurn = makeTurns({ monotonicMs: () => nowMs }, 10);
  const seen: string[] = [];
  setImmediate(() => seen.push("other"));
  await Promise.all(
    ["a", "b", "c"].map(async (name) => {
      for (let turn = takeTurn(); turn !== undefined; turn = takeTurn()) await turn;
      seen.push(name);
      nowMs += 10;
    }),
  );
  t.same(seen, ["a", "other", "b", "c"]);
});
