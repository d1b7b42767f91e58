/**
 * The steps this worker is executing: their abort signals, and why each fired.
 *
 * One lease covers them all (storage: workers). When it cannot be extended in time, everything is aborted by this
 * process's own monotonic clock before the lease ends, and nothing is settled; nor does anything start whose admission was
 * answered too late, as when this process stood still. Not here: extending (worker.ts).
 */
import type { Clock } from "../core/clock.ts";
import type { RunUid, TenantUid } from "../core/ids.ts";
import type { LeasedStep } from "../gate/leased-step.ts";

type AbortCause = "deadline_exceeded" | "cancelled" | "lease_lost";

export interface Lease {
  readonly signal: AbortSignal;
  readonly isLost: () => boolean;
  readonly abortedBy: () => "deadline_exceeded" | "cancelled" | undefined;
  readonly end: () => void;
}

export interface Leases {
  /** The lease holds until then by the monotonic clock; before the first call nothing may start. */
  readonly hold: (untilMs: number) => void;
  /**
   * Begins one execution; its signal fires at the deadline, on cancel, or when the lease is lost. Without a lease it has
   * fired already, and `isLost` holds: nothing may be performed.
   */
  readonly start: (step: LeasedStep, remainingMs: number | undefined) => Lease;
  readonly cancelRuns: (runUids: readonly RunUid[]) => void;
  /** Loses everything once the time of the last `hold` is over; called often. */
  readonly checkTime: () => void;
  /** The lease is gone: aborts everything, and everything already decided on is stale. */
  readonly loseAll: () => void;
  readonly runs: () => readonly { readonly tenantUid: TenantUid; readonly runUid: RunUid }[];
  readonly count: () => number;
}

interface Execution {
  readonly step: LeasedStep;
  readonly controller: AbortController;
  cause: AbortCause | undefined;
}

export function makeLeases({ clock }: { readonly clock: Pick<Clock, "monotonicMs"> }): Leases {
  const executions = new Set<Execution>();
  let heldUntilMs = Number.NEGATIVE_INFINITY;
  const isHeld = (): boolean => clock.monotonicMs() < heldUntilMs;
  const abort = (execution: Execution, cause: AbortCause): void => {
    // a lost lease outweighs what came before it: nothing may be settled any more
    if (execution.cause === undefined || cause === "lease_lost") execution.cause = cause;
    // adapters tell a deadline from a cancel by the name of the reason, as they would with AbortSignal.timeout
    execution.controller.abort(cause === "deadline_exceeded" ? new DOMException(cause, "TimeoutError") : undefined);
  };
  const loseAll = (): void => {
    heldUntilMs = Number.NEGATIVE_INFINITY;
    for (const execution of executions) abort(execution, "lease_lost");
  };
  return {
    hold: (untilMs) => {
      heldUntilMs = untilMs;
    },
    checkTime: () => {
      if (!isHeld()) loseAll();
    },
    start: (step, remainingMs) => {
      const execution: Execution = { step, controller: new AbortController(), cause: undefined };
      executions.add(execution);
      if (!isHeld()) abort(execution, "lease_lost");
      // setTimeout takes at most 2^31 − 1 ms; a longer deadline outlives any execution
      const timer =
        remainingMs === undefined
          ? undefined
          : setTimeout(() => abort(execution, "deadline_exceeded"), Math.min(remainingMs, 2 ** 31 - 1));
      return {
        signal: execution.controller.signal,
        isLost: () => execution.cause === "lease_lost",
        abortedBy: () => (execution.cause === "lease_lost" ? undefined : execution.cause),
        end: () => {
          clearTimeout(timer);
          executions.delete(execution);
        },
      };
    },
    cancelRuns: (runUids) => {
      const stopped = new Set<string>(runUids);
      for (const execution of executions) {
        if (stopped.has(execution.step.runUid) && !execution.step.isTarget) abort(execution, "cancelled");
      }
    },
    loseAll,
    runs: () => {
      const byRun = new Map(
        [...executions].map(({ step }) => [step.runUid, { tenantUid: step.tenantUid, runUid: step.runUid }]),
      );
      return [...byRun.values()];
    },
    count: () => executions.size,
  };
}
