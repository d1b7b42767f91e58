/**
 * Measures work in processor time, which a busy machine does not stretch as it stretches the clock on the wall.
 *
 * Not here: tests.
 */

/** The least milliseconds of processor time that `act` took in `runs` runs; the first ones warm the compiler. */
export function leastCpuMs(runs: number, act: () => void): number {
  let leastMs = Number.POSITIVE_INFINITY;
  for (let run = 0; run < runs; run += 1) {
    const before = process.cpuUsage();
    act();
    const { user, system } = process.cpuUsage(before);
    leastMs = Math.min(leastMs, (user + system) / 1_000);
  }
  return leastMs;
}
