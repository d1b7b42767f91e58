/**
 * One sink as a publisher works on it: where events go now, what is under way, and what waits for a place.
 *
 * In: what is found, begun and ended. Out: how much more may begin. Not here: finding and leasing (publisher.ts).
 */
import type { RunUid, TenantUid } from "../core/ids.ts";
import type { ActiveSink } from "./ports.ts";
import type { WebhookSecrets } from "./webhook-secret.ts";

export interface Target {
  readonly sink: ActiveSink;
  readonly secrets: WebhookSecrets;
}

export interface SinkWork {
  readonly tenantUid: TenantUid;
  readonly sink: string;
  /** Undefined: paused, removed, or its host is not approved; nothing is begun, and what is under way ends with its event. */
  target: Target | undefined;
  /** Runs that are delivered now, and whether there was news of them meanwhile. */
  readonly underWay: Map<RunUid, { isStale: boolean }>;
  /** Runs with events to be sent that have found no place yet. */
  readonly waiting: Set<RunUid>;
  letters: number;
  places: number;
  /** Where the walk through the sink's runs goes on. */
  after: RunUid | undefined;
  isWalkDue: boolean;
  areLettersDue: boolean;
}

/** Runs of one sink that are delivered at the same time by this process. */
const MAX_PLACES = 16;
/** Dead letters have places of their own, so that neither they nor the runs hold up the others. */
const MAX_LETTERS = 4;

export function makeSinkWork({ tenantUid, name }: Pick<ActiveSink, "tenantUid" | "name">): SinkWork {
  return {
    tenantUid,
    sink: name,
    target: undefined,
    underWay: new Map(),
    waiting: new Set(),
    letters: 0,
    places: MAX_PLACES,
    after: undefined,
    isWalkDue: false,
    areLettersDue: false,
  };
}

export function freePlaces({ target, places, underWay }: SinkWork): number {
  return target === undefined ? 0 : Math.max(0, places - underWay.size);
}

export function freeLetters({ target, places, letters }: SinkWork): number {
  return target === undefined ? 0 : Math.max(0, Math.min(places, MAX_LETTERS) - letters);
}

/** Something is known to be due, and there is a place for it. */
export function canGoOn(work: SinkWork): boolean {
  const hasRuns = work.isWalkDue || work.waiting.size > 0;
  return (hasRuns && freePlaces(work) > 0) || (work.areLettersDue && freeLetters(work) > 0);
}

/** Each failure halves a sink's places, down to one by which it is asked again; each success doubles them. */
export function observe(work: SinkWork, isAcknowledged: boolean): void {
  work.places = isAcknowledged ? Math.min(work.places * 2, MAX_PLACES) : Math.ceil(work.places / 2);
}
