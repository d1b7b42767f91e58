/** The database's time as a process knows it, whatever its own machine's clock says. */
import t from "tap";
import { makeDatabaseClock } from "../../src/scheduler/database-clock.ts";

const HOUR_MS = 3_600_000;
const DATABASE_MS = 1_800_000_000_000;

/** A machine whose wall clock is off by `wall.offMs`, and whose monotonic one began at 1000. */
function machine() {
  const wall = { offMs: 0 };
  let passedMs = 0;
  const clock = { nowMs: () => DATABASE_MS + passedMs + wall.offMs, monotonicMs: () => 1000 + passedMs };
  return {
    wall,
    clock,
    pass: (ms: number) => {
      passedMs += ms;
    },
    databaseMs: () => DATABASE_MS + passedMs,
  };
}

t.test("after one reading the machine's own clock moves nothing", async (t) => {
  for (const offMs of [0, HOUR_MS, -HOUR_MS, 24 * HOUR_MS, -24 * HOUR_MS]) {
    const { wall, clock, pass, databaseMs } = machine();
    wall.offMs = offMs;
    const time = makeDatabaseClock(clock);
    t.equal(time.nowMs(), databaseMs() + offMs, "before it, there is no other");
    time.observe(databaseMs(), clock.monotonicMs());
    t.equal(time.nowMs(), databaseMs());
    wall.offMs = -offMs;
    pass(5000);
    t.equal(time.nowMs(), databaseMs(), `off by ${offMs} ms, then by the opposite`);
  }
});

t.test("an answer that waited for a stopped process does not set the time back", async (t) => {
  const { clock, pass, databaseMs } = machine();
  const time = makeDatabaseClock(clock);
  const asked = clock.monotonicMs();
  const said = databaseMs();
  pass(60_000);
  time.observe(said, asked);
  t.equal(time.nowMs(), databaseMs(), "the time it had is as good as the answer");
});

t.test("a database whose clock jumps is followed, both ways, as far as the answer is sure", async (t) => {
  for (const jumpMs of [HOUR_MS, -HOUR_MS]) {
    const { clock, pass, databaseMs } = machine();
    const time = makeDatabaseClock(clock);
    time.observe(databaseMs(), clock.monotonicMs());
    const asked = clock.monotonicMs();
    pass(20);
    time.observe(databaseMs() + jumpMs, asked);
    const errorMs = time.nowMs() - (databaseMs() + jumpMs);
    t.ok(errorMs >= 0 && errorMs <= 20, `${errorMs} ms beside it`);
  }
});

t.test("an answer that is no time is refused", async (t) => {
  const { clock } = machine();
  const time = makeDatabaseClock(clock);
  for (const wrong of [Number.NaN, 1.5, Number.POSITIVE_INFINITY])
    t.throws(() => time.observe(wrong, 0), { code: "ANSWER_MALFORMED" });
});
