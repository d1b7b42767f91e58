/** Retry-After in both forms of RFC 9110 §10.2.3. */
import t from "tap";
import { retryAfterMs } from "../../../src/executors/http/retry-after.ts";

const NOW_MS = Date.UTC(2026, 10, 21, 10, 0, 0);

t.test("reads seconds and HTTP dates, at most an hour ahead, and nothing else", async (t) => {
  const cases: readonly (readonly [string | readonly string[] | undefined, number | undefined])[] = [
    ["0", 0],
    [" 120 ", 120_000],
    ["999999999", 3_600_000],
    ["Sat, 21 Nov 2026 10:00:30 GMT", 30_000],
    ["Sat, 21 Nov 2026 09:00:00 GMT", 0],
    ["Sun, 22 Nov 2026 10:00:00 GMT", 3_600_000],
    ["-1", undefined],
    ["1.5", undefined],
    ["2026-11-21", undefined],
    ["soon", undefined],
    ["", undefined],
    [["1", "2"], undefined],
    [undefined, undefined],
  ];
  for (const [header, wanted] of cases) t.equal(retryAfterMs(header, NOW_MS), wanted, String(header));
});
