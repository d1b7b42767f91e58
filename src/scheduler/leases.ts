/**
 * The steps this worker is executing: their abort signals, and why each fired.
 *
 * One lease covers them all (storage: workers). When it cannot be extended in time, everything is aborted by this
 * process's own monotonic clock before the lease ends, and nothing is settled. Not here: extending (worker.ts).
 */
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
  /** Begins one execution; its signal fires at the deadline, on cancel, or when the lease is lost. */
  readonly start: (step: LeasedStep, remainingMs: number | undefined) => Lease;
  readonly cancelRuns: (runUids: readonly RunUid[]) => void;
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

export function makeLeases(): Leases {
  const executions = new Set<Execution>();
  const abort = (execution: Execution, cause: AbortCause): void => {
    // a lost lease outweighs what came before it: nothing may be settled any more
    if (execution.cause === undefined || cause === "lease_lost") execution.cause = cause;
    execution.controller.abort();
  };
  return {
    start: (step, remainingMs) => {
      const execution: Execution = { step, controller: new AbortController(), cause: undefined };
      executions.add(execution);
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
    loseAll: () => {
      for (const execution of executions) abort(execution, "lease_lost");
    },
    runs: () => {
      const byRun = new Map(
        [...executions].map(({ step }) => [step.runUid, { tenantUid: step.tenantUid, runUid: step.runUid }]),
      );
      return [...byRun.values()];
    },
    count: () => executions.size,
  };
}
