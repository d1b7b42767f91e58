import t from "tap";
import { shareReads } from "../../src/core/share-reads.ts";

/** Reads that end when told, each answering how many had begun before it. */
function makeReads() {
  const ends: ((fail?: boolean) => void)[] = [];
  const read = shareReads(
    (key: string) =>
      new Promise<string>((resolve, reject) => {
        const place = ends.length;
        ends.push((fail) => (fail === true ? reject(new Error("away")) : resolve(`${key} ${place}`)));
      }),
  );
  return { read, ends };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

t.test("those who ask while a read is under way share the next one, which begins after they asked", async (t) => {
  const { read, ends } = makeReads();
  const first = read("a");
  const [second, third] = [read("a"), read("a")];
  await turn();
  t.equal(ends.length, 1, "the next read has not begun");
  ends[0]?.();
  t.equal(await first, "a 0");
  await turn();
  t.equal(ends.length, 2);
  const fourth = read("a");
  ends[1]?.();
  t.same(await Promise.all([second, third]), ["a 1", "a 1"]);
  await turn();
  ends[2]?.();
  t.equal(await fourth, "a 2", "asked while the second ran, so not answered by it");
});

t.test("keys do not wait for each other, and a read that is over is not remembered", async (t) => {
  const { read, ends } = makeReads();
  const [a, b] = [read("a"), read("b")];
  ends[1]?.();
  t.equal(await b, "b 1");
  ends[0]?.();
  t.equal(await a, "a 0");
  await turn();
  const again = read("a");
  ends[2]?.();
  t.equal(await again, "a 2");
});

t.test("a read that fails fails for those who share it, and for nobody later", async (t) => {
  const { read, ends } = makeReads();
  const first = read("a");
  const second = read("a");
  ends[0]?.(true);
  await t.rejects(first, { message: "away" });
  await turn();
  ends[1]?.();
  t.equal(await second, "a 1");
});
