import t from "tap";
import { findTogether } from "../../src/storage/find-together.ts";

t.test("lookups of one turn are one query, each with its own answer", async (t) => {
  const asked: (readonly string[])[] = [];
  const find = findTogether(async (keys) => {
    asked.push(keys);
    return new Map(keys.filter((key) => key !== "none").map((key) => [key, `row ${key}`]));
  });
  t.same(await Promise.all(["a", "b", "a", "none"].map(find)), ["row a", "row b", "row a", undefined]);
  t.same(asked, [["a", "b", "none"]]);
});

t.test("nothing is remembered: the next lookup is read again", async (t) => {
  let isThere = true;
  const find = findTogether(async (keys) => new Map(isThere ? keys.map((key) => [key, key]) : []));
  t.equal(await find("a"), "a");
  isThere = false;
  t.equal(await find("a"), undefined);
});

t.test("a query that fails fails its lookups, and the next one is asked", async (t) => {
  let fails = true;
  const find = findTogether(async (keys) => {
    if (fails) throw new TypeError("away");
    return new Map(keys.map((key) => [key, key]));
  });
  await t.rejects(Promise.all([find("a"), find("b")]), { message: "away" });
  fails = false;
  t.equal(await find("a"), "a");
});
