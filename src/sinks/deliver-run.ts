/**
 * Sends the events of one run to one sink, in order, for as long as its lease holds and the sink takes events.
 *
 * In: a leased delivery. Out: the log read to its end, or a later try. The next event waits until the one before it was
 * acknowledged or given up; what was sent and not yet written as done is sent again by whoever leases next, with the same
 * id. Not here: which runs are leased (publisher.ts), one try (send-webhook.ts).
 */
import { isStepgateError } from "../core/errors.ts";
import { type FailPoints, failPoint } from "../core/fail-point.ts";
import { isJsonArray } from "../core/json.ts";
import { retryDelayMs } from "../runs/backoff.ts";
import { cloudEvent, deliveryId } from "./cloud-event.ts";
import type { ActiveSink, ClaimedDelivery, DeliveryMove, DeliveryStore, OutboxEvent } from "./ports.ts";
import type { SendResult, SendWebhook } from "./send-webhook.ts";
import type { Target } from "./sink-work.ts";

export interface RetrySettings {
  readonly maxAttempts: number;
  /** After the first failed try; each further one doubles it. */
  readonly baseMs: number;
  readonly maxMs: number;
}

export interface DeliverDeps {
  readonly store: Pick<DeliveryStore, "events">;
  /** False: the lease is another's now. */
  readonly move: (move: DeliveryMove) => Promise<boolean>;
  readonly send: SendWebhook;
  readonly failPoints: FailPoints;
  readonly retry: RetrySettings;
  /** In [0, 1). */
  readonly jitter: () => number;
  readonly timeoutMs: number;
  readonly leaseMs: number;
  readonly monotonicMs: () => number;
}

export interface LeasedRun {
  readonly claim: ClaimedDelivery;
  /** The sink as it is now, asked for each event; undefined: nothing may be sent to it. */
  readonly target: () => Target | undefined;
  /** Taken before the claim was asked for, so that our end of the lease is never after the database's. */
  readonly claimedAtMs: number;
}

export interface StopSignals {
  /** No further event is begun. */
  readonly isStopping: () => boolean;
  /** What is under way is broken off. */
  readonly aborted: AbortSignal;
}

const PAGE = 50;
/** Between our check of the lease and the first byte on the wire. */
const LEASE_MARGIN_MS = 1000;
const DOUBLING_PPM = 2_000_000;

/** When a failed try is followed by another. */
export function nextTryMs(
  retry: RetrySettings,
  result: Extract<SendResult, { readonly ok: false }>,
  failed: number,
  jitter: number,
): number | undefined {
  if (result.isFinal || failed >= retry.maxAttempts) return undefined;
  const { baseMs, maxMs } = retry;
  return retryDelayMs({
    failedAttempts: failed,
    baseMs,
    factorPpm: DOUBLING_PPM,
    maxMs,
    jitter,
    retryAfterMs: result.retryAfterMs,
  });
}

/** Makes the delivery of one leased run; resolves once the lease is given back or lost. */
export function makeDeliverRun(deps: DeliverDeps) {
  return async (run: LeasedRun, signals: StopSignals, onResult: (result: SendResult) => void): Promise<void> => {
    const { claim } = run;
    const lease = makeLease(deps, run);
    for (;;) {
      const events = await deps.store.events(claim, lease.doneSeq(), PAGE);
      const isLastPage = events.length < PAGE;
      const last = events.at(-1);
      if (last === undefined) return lease.release();
      for (const event of events) {
        const isLast = isLastPage && event === last;
        if (signals.isStopping()) return lease.release();
        if (!(await lease.isLongEnough())) return;
        const target = run.target();
        if (target === undefined) return lease.release();
        if (!isWanted(target.sink, event)) {
          lease.pass(event);
          continue;
        }
        const body = cloudEvent(claim.tenantUid, claim.runUid, event);
        failPoint(deps.failPoints, "before_publish");
        const result = await attempt(deps, target, { id: deliveryId(claim.runUid, event.seq), body }, signals.aborted);
        if (result === undefined) return lease.release();
        failPoint(deps.failPoints, "after_publish");
        onResult(result);
        if (!(await lease.record(event, body, result, isLast))) return;
      }
      if (isLastPage) return lease.release();
    }
  };
}

/** Undefined when the process is stopping and broke it off. */
async function attempt(
  { send }: DeliverDeps,
  target: Target,
  message: { readonly id: string; readonly body: string },
  aborted: AbortSignal,
): Promise<SendResult | undefined> {
  try {
    return await send({ ...target, ...message }, aborted);
  } catch (caught) {
    if (isStepgateError(caught, "SHUTTING_DOWN")) return undefined;
    throw caught;
  }
}

/** What a sink asks for, and what a pack wants it told (spec 04, `notify`). */
function isWanted({ name, eventTypes }: ActiveSink, { type, data }: OutboxEvent): boolean {
  const { notify } = data;
  return eventTypes === undefined || eventTypes.includes(type) || (isJsonArray(notify) && notify.includes(name));
}

/** How far the run is, here and in the database, and how long nobody else sends its events. */
function makeLease(deps: DeliverDeps, { claim, claimedAtMs }: LeasedRun) {
  const { tenantUid, sink, runUid, leaseEpoch } = claim;
  let { doneSeq, attempts } = claim;
  let endMs = claimedAtMs + deps.leaseMs;
  const move = async (change: Pick<DeliveryMove, "isReleased"> & Partial<DeliveryMove>): Promise<boolean> => {
    const askedMs = deps.monotonicMs();
    const key = { tenantUid, sink, runUid, leaseEpoch, doneSeq, attempts };
    const isHeld = await deps.move({ ...key, fault: undefined, delayMs: undefined, dead: undefined, ...change });
    if (isHeld) endMs = askedMs + deps.leaseMs;
    return isHeld;
  };
  return {
    doneSeq: () => doneSeq,
    pass: ({ seq }: OutboxEvent): void => {
      doneSeq = seq;
    },
    /** Renews a lease that might end before a try does. */
    isLongEnough: async (): Promise<boolean> =>
      deps.monotonicMs() + deps.timeoutMs + LEASE_MARGIN_MS < endMs || move({ isReleased: false }),
    release: async (): Promise<void> => {
      await move({ isReleased: true });
    },
    /** Writes what became of a try; false: nothing more is to be sent under this lease. */
    record: async (event: OutboxEvent, body: string, result: SendResult, isLast: boolean): Promise<boolean> => {
      if (result.ok) {
        doneSeq = event.seq;
        attempts = 0;
        return (await move({ isReleased: isLast })) && !isLast;
      }
      const { fault } = result;
      attempts += 1;
      const delayMs = nextTryMs(deps.retry, result, attempts, deps.jitter());
      if (delayMs !== undefined) {
        await move({ fault, delayMs, isReleased: true });
        return false;
      }
      const dead = { seq: event.seq, type: event.type, body, attempts };
      doneSeq = event.seq;
      attempts = 0;
      return (await move({ fault, dead, isReleased: isLast })) && !isLast;
    },
  };
}
