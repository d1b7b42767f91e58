/**
 * When steps that found no place are looked at again: paced, so that a crowd of them leaves others their turns, and at once
 * when a step that held such a place has ended.
 *
 * In: steps that are put back, steps that end. Out: how long they are put back for; wakes. Not here: what a place is (gate/,
 * admission), the order in which those who wait are woken (the store).
 */
import type { Clock } from "../core/clock.ts";
import type { TenantUid } from "../core/ids.ts";
import type { Queue, TenantSteps, Wake } from "./ports.ts";

export interface WaitingRoomDeps {
  readonly queue: Pick<Queue, "wake">;
  readonly clock: Pick<Clock, "monotonicMs">;
  /** How long a step is put back at least. */
  readonly leastMs: number;
  /** Steps are due again. */
  readonly onWoken: () => void;
  readonly log: { readonly warn: (fields: object, message: string) => void };
}

export interface PutBack {
  readonly tenantUid: TenantUid;
  readonly reason: Wake["reason"];
  readonly of: string | undefined;
  /** Nothing is free before; undefined where a place may become free at any time. */
  readonly resetsInMs: number | undefined;
}

export interface WaitingRoom {
  /** For how many whole milliseconds the step is put back. */
  readonly putBack: (wait: PutBack) => number;
  /** An attempt has ended. Of those that this worker put back for what it may have held, one is woken. */
  readonly ended: (step: { readonly tenantUid: TenantUid; readonly concurrencyKey: string | undefined }) => void;
  /** How many steps were put back since this was asked before, by tenant. */
  readonly takeCounts: () => readonly TenantSteps[];
  readonly stop: () => void;
}

/**
 * Between two looks at steps of one tenant by one worker: up to five that wait are looked at every 50 ms, a hundred a second
 * of however many. (Without, 400 steps behind one key took all turns of their tenant: nothing else of it ran at all.)
 */
const LOOK_SPACING_MS = 10;
/** Gathers wakes of attempts that end together. */
const WAKE_GATHER_MS = 5;

interface Crowd {
  /** When the last of those looks is that were given out: for places, and for what resets. */
  readonly lastLookMs: { place: number; reset: number };
  /** What any attempt of the tenant may hold a place of: quotas, pressure. There are few. */
  readonly shared: Map<string, Place>;
  /** Concurrency keys, by themselves: there may be one for each customer, and an attempt holds one at most. */
  readonly keys: Map<string | undefined, Place>;
}

/** What a place is waited for, and when the last look for it is. */
interface Place extends Pick<PutBack, "reason" | "of"> {
  readonly untilMs: number;
}

/** So many keys are remembered before those are looked for that nobody waits for any more. */
const MANY_KEYS = 1000;

/** Makes the room of one worker. It knows those that it put back itself; others' are looked at in their time. */
export function makeWaitingRoom({ queue, clock, leastMs, onWoken, log }: WaitingRoomDeps): WaitingRoom {
  const crowds = new Map<TenantUid, Crowd>();
  const wakes = new Map<string, Wake>();
  const counts = new Map<TenantUid, number>();
  let timer: NodeJS.Timeout | undefined;

  const send = async (): Promise<void> => {
    timer = undefined;
    const sent = [...wakes.values()];
    wakes.clear();
    try {
      if ((await queue.wake(sent)) > 0) onWoken();
    } catch (caught) {
      // they are looked at in their time
      log.warn({ err: caught }, "steps that wait for a place were not woken");
    }
  };
  return {
    putBack: ({ tenantUid, reason, of, resetsInMs }) => {
      const nowMs = clock.monotonicMs();
      counts.set(tenantUid, (counts.get(tenantUid) ?? 0) + 1);
      const crowd = crowds.get(tenantUid) ?? {
        lastLookMs: { place: nowMs, reset: nowMs },
        shared: new Map(),
        keys: new Map(),
      };
      crowds.set(tenantUid, crowd);
      const lane = resetsInMs === undefined ? "place" : "reset";
      const lookMs = Math.max(nowMs + Math.max(leastMs, resetsInMs ?? 0), crowd.lastLookMs[lane] + LOOK_SPACING_MS);
      crowd.lastLookMs[lane] = lookMs;
      // what was used up comes back with its reset alone
      if (lane === "place" && reason === "concurrency_key") {
        if (crowd.keys.size >= MANY_KEYS) forgetPast(crowd.keys, nowMs);
        crowd.keys.set(of, { reason, of, untilMs: lookMs });
      } else if (lane === "place") crowd.shared.set(`${reason} ${of}`, { reason, of, untilMs: lookMs });
      return Math.ceil(lookMs - nowMs);
    },
    ended: ({ tenantUid, concurrencyKey }) => {
      const { shared, keys } = crowds.get(tenantUid) ?? {};
      const key = keys?.get(concurrencyKey);
      for (const { reason, of, untilMs } of [...(key === undefined ? [] : [key]), ...(shared?.values() ?? [])]) {
        if (untilMs <= clock.monotonicMs()) continue;
        const id = `${tenantUid} ${reason} ${of}`;
        wakes.set(id, { tenantUid, reason, of, steps: (wakes.get(id)?.steps ?? 0) + 1 });
      }
      if (wakes.size > 0) timer ??= setTimeout(() => void send(), WAKE_GATHER_MS);
    },
    takeCounts: () => {
      const taken = [...counts].map(([tenantUid, steps]) => ({ tenantUid, steps }));
      counts.clear();
      return taken;
    },
    stop: () => clearTimeout(timer),
  };
}

function forgetPast(places: Map<string | undefined, Place>, nowMs: number): void {
  for (const [name, { untilMs }] of places) if (untilMs <= nowMs) places.delete(name);
}
