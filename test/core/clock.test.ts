/** Time comes from the clock port alone: what is asked elsewhere cannot be set by a test, nor follow the database. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import t from "tap";
import { checkedTime, systemClock } from "../../src/core/clock.ts";

const SOURCE = fileURLToPath(new URL("../../src/", import.meta.url));
const ASKS_THE_SYSTEM = /\bDate\.now\b|\bnew Date\(\)|\bDate\(\)|\bperformance\.now\b|\bhrtime\b|\bprocess\.uptime\b/;

t.test("no other file asks the system for the time", async (t) => {
  const asking = readdirSync(SOURCE, { recursive: true, encoding: "utf8" })
    .filter((path) => /\.(ts|mjs)$/.test(path))
    .filter((path) => ASKS_THE_SYSTEM.test(readFileSync(`${SOURCE}${path}`, "utf8")));
  t.same(asking, ["core/clock.ts"]);
});

t.test("a clock that says no time is refused", async (t) => {
  t.equal(checkedTime({ nowMs: () => 7 }).nowMs(), 7);
  for (const wrong of [Number.NaN, 0.5, undefined as unknown as number])
    t.throws(() => checkedTime({ nowMs: () => wrong }).nowMs(), { code: "ANSWER_MALFORMED" });
  t.ok(Number.isSafeInteger(systemClock.nowMs()) && systemClock.monotonicMs() > 0);
});
