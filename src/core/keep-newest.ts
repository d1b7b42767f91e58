/**
 * A map of bounded size in order of use.
 *
 * In: a map that nobody else writes to. Out: the same map, with an entry as its newest. Not here: what is kept and why.
 */

/** Sets an entry as the newest; what was set longest ago goes when there are more than `max`. */
export function keepNewest<Key, Value>(map: Map<Key, Value>, key: Key, value: Value, max: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= max) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}
