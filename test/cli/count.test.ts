/** `.ci/run`'s last line: what it counts, and what it must not take for a success. */
import t from "tap";
import { makeCounter } from "../../.ci/count.ts";

function count(text: string, failedChecks = 0) {
  const lines: string[] = [];
  const counter = makeCounter((line) => lines.push(line));
  for (const line of text.split("\n")) counter.read(line);
  return { ...counter.end(failedChecks), lines };
}

const GOOD =
  "# Subtest: a.test.ts\n    # Subtest: it\n        ok 1 - x\n        ok 2 - y\n        1..2\n    ok 1 - it\n    1..1\nok 1 - a.test.ts # time=3ms\n1..1\n# exit 0";

t.test("assertions count once, however deep, and sums do not", async (t) => {
  t.match(count(GOOD), { passed: 2, failed: 0, lines: ["ok    a.test.ts  3ms"] });
  t.match(count("ok 1 - b.test.ts {\n    ok 1 - x\n    1..1\n}\n# exit 0"), { passed: 1, failed: 0 });
});

t.test("what failed is shown with where it stands", async (t) => {
  const bad = GOOD.replace("ok 2 - y", "not ok 2 - y\n          ---\n          diff: 1\n          ...").replace(
    "# exit 0",
    "# exit 1",
  );
  const { passed, failed, lines } = count(bad);
  t.strictSame([passed, failed], [1, 1]);
  t.strictSame(lines.slice(0, 2), ["FAIL  a.test.ts > it > y", "                ---"]);
});

t.test("refuses to call it a success", async (t) => {
  t.equal(count(GOOD.replace("# exit 0", "")).failed, 1, "a run that broke off");
  t.equal(count(GOOD.replace("# exit 0", "# exit 1")).failed, 1, "a run that failed without saying where");
  t.equal(count("# exit 0").failed, 1, "a run of nothing");
  t.equal(count(GOOD, 2).failed, 2, "checks that failed before");
});
