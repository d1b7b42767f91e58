/** How single items become batches: by turns of the event loop, never by a clock. */
import t from "tap";
import { makeBatcher } from "../../src/scheduler/batcher.ts";

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function makeCommits({ maxItems = 8, maxInFlight = 2 } = {}) {
  const batches: (readonly number[])[] = [];
  const ends: (() => void)[] = [];
  const add = makeBatcher<number, number>({
    commit: async (items) => {
      batches.push(items);
      await new Promise<void>((resolve) => ends.push(resolve));
      return items.map((item) => item * 10);
    },
    commitMaxMs: 60_000,
    maxItems,
    maxInFlight,
    canSplit: () => false,
  });
  return { add, batches, endFirst: () => ends.shift()?.() };
}

async function turns(number: number): Promise<void> {
  for (let turn = 0; turn < number; turn += 1) await nextTurn();
}

t.test("items of one turn share a batch, and each gets its own outcome", async (t) => {
  const { add, batches, endFirst } = makeCommits();
  const outcomes = Promise.all([1, 2, 3].map(add));
  await turns(4);
  t.same(batches, [[1, 2, 3]]);
  endFirst();
  t.same(await outcomes, [10, 20, 30]);
});

t.test("a batch grows while each turn brings more, and is closed by the first that brings none", async (t) => {
  const { add, batches, endFirst } = makeCommits();
  const outcomes: Promise<number>[] = [];
  for (const item of [1, 2, 3, 4]) {
    outcomes.push(add(item));
    t.same(batches, [], "not yet");
    await nextTurn();
  }
  await turns(3);
  outcomes.push(add(5));
  await turns(4);
  t.same(batches, [[1, 2, 3, 4], [5]]);
  endFirst();
  endFirst();
  t.same(await Promise.all(outcomes), [10, 20, 30, 40, 50]);
});

t.test("a full batch waits for nothing more", async (t) => {
  const { add, batches, endFirst } = makeCommits({ maxItems: 2 });
  const outcomes = Promise.all([1, 2, 3].map(add));
  await nextTurn();
  t.same(batches[0], [1, 2]);
  await turns(3);
  endFirst();
  endFirst();
  t.same(await outcomes, [10, 20, 30]);
});

t.test("what comes while all places are taken is one batch when a place is free", async (t) => {
  const { add, batches, endFirst } = makeCommits({ maxInFlight: 1 });
  const first = add(1);
  await turns(4);
  const others = [add(2), nextTurn().then(() => add(3))];
  await turns(6);
  t.same(batches, [[1]]);
  endFirst();
  t.equal(await first, 10);
  await turns(6);
  t.same(batches, [[1], [2, 3]]);
  endFirst();
  t.same(await Promise.all(others), [20, 30]);
});
