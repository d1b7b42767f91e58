/**
 * The reaper: takes what dead workers left, and ends approvals that nobody gave in time (spec 02, loop; spec 00, attempts).
 *
 * Leased and not started → queued as if nothing happened. Started → the attempt is closed as `lost`, charged as reserved
 * and flagged, and the next attempt has the next number; after `maxLostAttempts` the step fails `lease_exhausted`.
 */
import type { WorkerId } from "../core/ids.ts";
import { buildOutcome } from "../evidence/outcome.ts";
import type { CommitSettlements } from "../gate/commit-batch.ts";
import type { AttemptEnd, Settlement } from "../gate/settlement.ts";
import type { LostAttempt, Queue } from "./ports.ts";

export interface ReaperDeps {
  readonly queue: Pick<Queue, "releaseLapsed" | "findLost">;
  readonly settle: CommitSettlements;
  /** Ends up to so many open approvals whose time is up; returns how many it found. */
  readonly expireApprovals: (limit: number) => Promise<number>;
  readonly batchSize: number;
  readonly maxLostAttempts: number;
}

/** Reaps until nothing is left to take; returns how many steps were taken. */
export function makeReap(deps: ReaperDeps): () => Promise<number> {
  return async () => {
    let taken = 0;
    for (;;) {
      const released = await deps.queue.releaseLapsed(deps.batchSize);
      const lost = await deps.queue.findLost(deps.batchSize);
      // one dead worker a call: a settlement is made in the name of the worker that held the lease
      for (const workerId of new Set(lost.map((attempt) => attempt.workerId))) {
        const attempts = lost.filter((attempt) => attempt.workerId === workerId);
        await deps.settle(
          attempts.map((attempt) => lostSettlement(attempt, deps.maxLostAttempts)),
          true,
        );
      }
      const expired = await deps.expireApprovals(deps.batchSize);
      const round = released + lost.length + expired;
      taken += round;
      if (round < deps.batchSize) return taken;
    }
  };
}

function lostSettlement(lost: LostAttempt, maxLostAttempts: number): Settlement {
  const { address, reserved, attempt, nowMs } = lost;
  const isExhausted = lost.lostAttempts + 1 >= maxLostAttempts;
  const outcome = buildOutcome({
    step: { tenantUid: address.tenantUid, runUid: address.runUid, stepId: address.stepId, attempt },
    admissionRecord: lost.admissionRecord,
    jtis: [lost.jti],
    status: "lost",
    error: isExhausted ? { kind: "lease_exhausted", code: undefined } : undefined,
    usage: { ...reserved, source: "assumed" },
    outputCommitment: undefined,
    evaluations: [],
    decisionArtifact: undefined,
    tool: lost.tool,
    startedAtMs: lost.startedAtMs,
    atMs: nowMs,
  });
  const end: AttemptEnd = {
    attempt,
    outcomeRecord: outcome.id,
    outputBlob: undefined,
    outputDigest: undefined,
    errorBlob: undefined,
    checkpointBlob: undefined,
    actual: reserved,
    usageSource: "assumed",
    provider: undefined,
    providerVersion: undefined,
    isolation: undefined,
    toolEvents: 0,
    isLost: true,
  };
  const data = {
    attempt,
    lease_epoch: address.leaseEpoch,
    admission_record: lost.admissionRecord,
    outcome_record: outcome.id,
    jti: lost.jti,
    executor: lost.type,
    worker: lost.workerId,
    ...(isExhausted ? {} : { not_before_ms: nowMs }),
    budget: {
      reserved: { tokens: reserved.tokens, usd_micros: reserved.usdMicros },
      actual: { tokens: reserved.tokens, usd_micros: reserved.usdMicros },
      usage_source: "assumed",
    },
  };
  const base = {
    address,
    retainDays: 0,
    records: [outcome],
    artifact: undefined,
    evaluations: undefined,
    blobs: [],
    redaction: undefined,
    audit: {
      actor: "reaper",
      action: "step.lost",
      resource: { run_id: address.runUid, step_id: address.stepId, attempt, worker: lost.workerId },
    },
    end,
    errorKind: "lease_exhausted" as const,
    reapedFrom: lost.workerId as WorkerId,
  };
  if (!isExhausted)
    return { ...base, kind: "retry", notBeforeMs: nowMs, events: [{ type: "step_attempt_lost", data }] };
  return {
    ...base,
    kind: "failed",
    reasons: ["lease_exhausted"],
    events: [
      { type: "step_attempt_lost", data },
      { type: "step_failed", data: { ...data, error_kind: "lease_exhausted", reasons: ["lease_exhausted"] } },
    ],
  };
}
