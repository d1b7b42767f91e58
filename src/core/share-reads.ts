/**
 * One read for all who ask at the same time, and never an older answer than each would have got alone.
 *
 * Whoever asks while a read is under way waits for the next one, which begins after it: so what was written before the
 * question is in the answer. Nothing is remembered. Not here: caches by version (tenancy/authorities.ts).
 */

/** Shares `read` by key; a read that fails fails for those who share it. */
export function shareReads<Key extends string, Value>(
  read: (key: Key) => Promise<Value>,
): (key: Key) => Promise<Value> {
  interface Lane {
    readonly running: Promise<unknown>;
    next: Promise<Value> | undefined;
  }
  const lanes = new Map<Key, Lane>();
  const begin = (key: Key): Promise<Value> => {
    const running = read(key);
    const lane: Lane = { running, next: undefined };
    lanes.set(key, lane);
    const end = (): void => {
      if (lanes.get(key) === lane && lane.next === undefined) lanes.delete(key);
    };
    running.then(end, end);
    return running;
  };
  return (key) => {
    const lane = lanes.get(key);
    if (lane === undefined) return begin(key);
    lane.next ??= lane.running.then(
      () => begin(key),
      () => begin(key),
    );
    return lane.next;
  };
}
