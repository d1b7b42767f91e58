/**
 * Tells who watches a run that its log may have grown: at once for changes of this process, by polling for others'.
 *
 * Calls too many are harmless. Not here: reading the events (read-run.ts), the stream (gateway/).
 */
import type { RunUid } from "../core/ids.ts";

export interface ChangeFeed {
  /** Something of this run was committed in this process. */
  readonly changed: (runUid: RunUid) => void;
  /** Nobody knows which: every watcher is told. */
  readonly changedSome: () => void;
  readonly subscribe: (runUid: RunUid, onChange: () => void) => () => void;
  readonly stop: () => void;
}

export function makeChangeFeed({ pollMs }: { readonly pollMs: number }): ChangeFeed {
  const watchers = new Map<RunUid, Set<() => void>>();
  const tell = (runUid: RunUid): void => {
    for (const onChange of watchers.get(runUid) ?? []) onChange();
  };
  // one timer for all watchers: a run worked on elsewhere is seen at the latest after pollMs
  const tellAll = (): void => {
    for (const runUid of watchers.keys()) tell(runUid);
  };
  const timer = setInterval(tellAll, pollMs);
  timer.unref();
  return {
    changed: tell,
    changedSome: tellAll,
    subscribe: (runUid, onChange) => {
      const known = watchers.get(runUid) ?? new Set();
      known.add(onChange);
      watchers.set(runUid, known);
      return () => {
        known.delete(onChange);
        if (known.size === 0) watchers.delete(runUid);
      };
    },
    stop: () => clearInterval(timer),
  };
}
