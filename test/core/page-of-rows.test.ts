import t from "tap";
import { pageOfRows } from "../../src/core/page-of-rows.ts";

const LETTERS = ["a", "b", "c", "d", "e"];

/** The page after `place`, and how many rows were asked for. */
async function pageAfter(place: string | undefined, limit: number) {
  const asked: number[] = [];
  const read = async (mostRows: number) => {
    asked.push(mostRows);
    const from = place === undefined ? 0 : LETTERS.indexOf(place) + 1;
    return LETTERS.slice(from, from + mostRows);
  };
  return { page: await pageOfRows(limit, read, (last) => last), asked };
}

t.test("pages hold each row once, and the last one names no next", async (t) => {
  t.same((await pageAfter(undefined, 2)).page, { rows: ["a", "b"], next: "b" });
  t.same((await pageAfter("b", 2)).page, { rows: ["c", "d"], next: "d" });
  t.strictSame((await pageAfter("d", 2)).page, { rows: ["e"] });
  t.strictSame((await pageAfter("c", 2)).page, { rows: ["d", "e"] }, "a page that is just full is the last one");
  t.strictSame((await pageAfter("e", 2)).page, { rows: [] });
  t.same((await pageAfter(undefined, 2)).asked, [3], "one row more than are shown, in one read");
});
