import fc from "fast-check";
import t from "tap";
import { type RetryDelay, retryDelayMs } from "../../src/runs/backoff.ts";

const steady: RetryDelay = {
  failedAttempts: 1,
  baseMs: 100,
  factorPpm: 2_000_000,
  maxMs: 1_000,
  jitter: 0.5,
  retryAfterMs: undefined,
};
const series = (more: Partial<RetryDelay>, upTo = 5) =>
  Array.from({ length: upTo }, (_, index) => retryDelayMs({ ...steady, failedAttempts: index + 1, ...more }));

t.test("base 100, factor 2, cap 1000: 100, 200, 400, 800, 1000", async (t) => {
  t.same(series({}), [100, 200, 400, 800, 1_000]);
  t.same(series({ factorPpm: 1_000_000 }), [100, 100, 100, 100, 100]);
  t.same(series({ factorPpm: 1_150_000 }, 3), [100, 115, 132]);
});

t.test("any number of attempts up to 2^32 gives at most the cap", async (t) => {
  t.equal(retryDelayMs({ ...steady, failedAttempts: 2 ** 32 }), 1_000);
  t.equal(retryDelayMs({ ...steady, failedAttempts: 2 ** 32, factorPpm: 1_000_001 }), 1_000);
  t.equal(retryDelayMs({ ...steady, failedAttempts: 2 ** 32, baseMs: 0 }), 0);
});

t.test("jitter spreads by 20 % to both sides and never above the cap", async (t) => {
  t.equal(retryDelayMs({ ...steady, jitter: 0 }), 80);
  t.equal(retryDelayMs({ ...steady, jitter: 0.999_999 }), 120);
  t.equal(retryDelayMs({ ...steady, failedAttempts: 9, jitter: 0.999_999 }), 1_000);
});

t.test("what the executor asks for wins if it is longer, also above the cap", async (t) => {
  t.equal(retryDelayMs({ ...steady, retryAfterMs: 5_000 }), 5_000);
  t.equal(retryDelayMs({ ...steady, retryAfterMs: 5 }), 100);
});

t.test("property: a delay is an integer between 0 and the cap", async (t) => {
  fc.assert(
    fc.property(
      fc.record({
        failedAttempts: fc.integer({ min: 1, max: 2 ** 32 }),
        baseMs: fc.integer({ min: 0, max: 31_536_000_000 }),
        factorPpm: fc.integer({ min: 1_000_000, max: 1_000_000_000 }),
        maxMs: fc.integer({ min: 1, max: 300_000 }),
        jitter: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      }),
      (delay) => {
        const delayMs = retryDelayMs({ ...delay, retryAfterMs: undefined });
        return Number.isSafeInteger(delayMs) && delayMs >= 0 && delayMs <= delay.maxMs;
      },
    ),
  );
  t.pass("every delay");
});
