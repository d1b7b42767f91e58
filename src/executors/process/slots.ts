/**
 * Slots: how many programs run at once, and under which uid each does.
 *
 * Every slot has a uid of its own, so that two steps never share a process limit or may signal each other. Waiters are
 * served in turn. Not here: starting programs (launch.ts).
 */
export interface Slot {
  /** Uid and gid of the program outside its sandbox; undefined where the service may not change uid. */
  readonly uid: number | undefined;
  /** Gives the slot back; once. */
  readonly release: () => void;
}

export interface SlotPool {
  /** A free slot, or undefined when `signal` fires first. */
  readonly take: (signal: AbortSignal) => Promise<Slot | undefined>;
}

/** Makes a pool of `count` slots with the uids from `firstUid` on, or with none. */
export function makeSlotPool({
  firstUid,
  count,
}: {
  readonly firstUid: number | undefined;
  readonly count: number;
}): SlotPool {
  const free = Array.from({ length: count }, (_, index) => (firstUid === undefined ? undefined : firstUid + index));
  const waiters = new Set<(slot: Slot) => void>();

  function slotOf(uid: number | undefined): Slot {
    let isReleased = false;
    const release = () => {
      if (isReleased) return;
      isReleased = true;
      const [next] = waiters;
      if (next === undefined) free.push(uid);
      else next(slotOf(uid));
    };
    return { uid, release };
  }

  return {
    take: (signal) => {
      if (signal.aborted) return Promise.resolve(undefined);
      if (free.length > 0) return Promise.resolve(slotOf(free.shift()));
      return new Promise((resolve) => {
        const onSlot = (slot: Slot) => {
          waiters.delete(onSlot);
          signal.removeEventListener("abort", onAbort);
          resolve(slot);
        };
        const onAbort = () => {
          waiters.delete(onSlot);
          resolve(undefined);
        };
        waiters.add(onSlot);
        signal.addEventListener("abort", onAbort, { once: true });
      });
    },
  };
}
