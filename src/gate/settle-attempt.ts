/**
 * Stage 12, settle: what an ended attempt writes, as one value for one transaction (spec 01).
 *
 * In: the context, what the executor reported, what *inspect* made of it. Out: succeeded, failed, cancelled or retry.
 * Charges what was used; what nobody counted is charged as reserved and says so (spec 00, error kinds).
 */
import { canonicalJson } from "../core/canonical-json.ts";
import type { ErrorKind } from "../core/error-kind.ts";
import { isRetried } from "../core/error-kind.ts";
import type { EventType } from "../core/event.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { SealedBlob } from "../core/vault.ts";
import { type AttemptStatus, buildOutcome } from "../evidence/outcome.ts";
import { evaluationMembers } from "../evidence/statement.ts";
import type { ExecutorResult } from "../executors/contract.ts";
import { retryDelayMs } from "../runs/backoff.ts";
import type { Capability, StepContext } from "./context.ts";
import { deadlineOf } from "./deadline.ts";
import type { Inspected } from "./inspect.ts";
import type { BudgetView } from "./leased-step.ts";
import { notifyMember } from "./notified-sinks.ts";
import { auditOf, bare, decisionArtifact, type SettleDeps } from "./settle-refusal.ts";
import type { Admission, AttemptEnd, Settlement } from "./settlement.ts";

export interface SettleAttemptDeps extends SettleDeps {
  /** In [0, 1); 0.5 means no jitter. */
  readonly jitter: () => number;
  /** Delay where a step names none (spec 02: `active_backoff_ms`). */
  readonly activeBackoffMs: number;
  readonly maxBackoffMs: number;
}

export interface Performed {
  readonly context: StepContext;
  readonly capability: Capability;
  readonly admission: Admission;
  /** The run's, as the admission left it. */
  readonly budget: BudgetView | undefined;
  readonly result: ExecutorResult;
  readonly inspected: Inspected;
  /** Why the abort signal fired before the end, if it did. */
  readonly aborted: "deadline_exceeded" | "cancelled" | undefined;
  readonly startedAtMs: number;
}

interface Verdict {
  readonly errorKind: ErrorKind | undefined;
  readonly code: string | undefined;
  readonly reasons: readonly string[];
  readonly isRetryable: boolean;
}

export function makeSettleAttempt(deps: SettleAttemptDeps): (performed: Performed) => Settlement {
  return (performed) => {
    const nowMs = deps.databaseClock.nowMs();
    const verdict = judge(performed);
    const notBeforeMs = nextTryMs(deps, performed, verdict, nowMs);
    const status = statusOf(verdict, notBeforeMs);
    const { context, admission, inspected } = performed;
    const payloads = sealPayloads(performed, verdict, status);
    const after = inspected.kind === "not_storable" ? [] : inspected.evaluations;
    const artifact = decisionArtifact(deps, context, [admission.record.id], after);
    const usage = usageOf(performed);
    const outcome = buildOutcome({
      step: {
        tenantUid: context.step.tenantUid,
        runUid: context.step.runUid,
        stepId: context.step.stepId,
        attempt: context.step.attempt,
      },
      admissionRecord: admission.record.id,
      jtis: [admission.jti],
      status,
      error: verdict.errorKind === undefined ? undefined : { kind: verdict.errorKind, code: verdict.code },
      usage,
      outputCommitment: payloads.outputCommitment,
      evaluations: after,
      decisionArtifact: artifact?.id,
      tool: context.step.spec.tool,
      startedAtMs: performed.startedAtMs,
      atMs: nowMs,
    });
    const end: AttemptEnd = {
      attempt: context.step.attempt,
      outcomeRecord: outcome.id,
      ...payloads.ids,
      actual: { tokens: usage.tokens, usdMicros: usage.usdMicros },
      usageSource: usage.source,
      ...providerOf(performed),
      isolation: performed.capability.isolation,
      toolEvents: performed.result.toolEvents.length,
      isLost: false,
    };
    const base: Omit<Settlement, "kind"> = {
      ...bare(context),
      retainDays: inspected.kind === "not_storable" ? 0 : inspected.retainDays,
      records: [outcome],
      artifact,
      blobs: payloads.blobs,
      evaluations: {
        phase: "after",
        recordId: outcome.id,
        body: after.map(evaluationMembers),
        detailsBlob: payloads.detailsBlob,
        inputBlob: undefined,
      },
      events: [
        {
          type: EVENT_OF[status],
          data: eventData(performed, verdict, end, {
            notBeforeMs,
            artifactId: artifact?.id,
            notify: notifyMember(after, context),
            nowMs,
          }),
        },
      ],
      audit: auditOf(deps, context, {
        action: status === "retry_scheduled" ? "step.retry" : `step.${status}`,
        status,
        notBeforeMs,
      }),
    };
    if (verdict.errorKind === undefined) return { ...base, kind: "succeeded", end };
    if (notBeforeMs !== undefined) return { ...base, kind: "retry", end, errorKind: verdict.errorKind, notBeforeMs };
    return {
      ...base,
      kind: status === "cancelled" ? "cancelled" : "failed",
      end,
      errorKind: verdict.errorKind,
      reasons: verdict.reasons,
    };
  };
}

const EVENT_OF: Readonly<Record<AttemptStatus, EventType>> = {
  succeeded: "step_succeeded",
  failed: "step_failed",
  retry_scheduled: "step_retry_scheduled",
  lost: "step_attempt_lost",
  cancelled: "step_cancelled",
};

/** What the attempt ended with. An abort outweighs what came after it; *inspect* outweighs success. */
function judge({ result, inspected, aborted }: Performed): Verdict {
  if (aborted !== undefined && (!result.ok || aborted === "cancelled")) {
    return { errorKind: aborted, code: aborted, reasons: [aborted], isRetryable: false };
  }
  if (inspected.kind === "not_storable") {
    return {
      errorKind: "result_not_storable",
      code: "result_not_storable",
      reasons: ["result_not_storable"],
      isRetryable: false,
    };
  }
  if (inspected.kind === "denied") {
    return { errorKind: "output_denied", code: "output_denied", reasons: inspected.reasons, isRetryable: false };
  }
  if (result.ok) return { errorKind: undefined, code: undefined, reasons: [], isRetryable: false };
  // nobody cancelled it: an adapter that says so failed by itself, and its run must not end as if nothing had
  const errorKind = result.kind === "cancelled" ? "execution_error" : result.kind;
  return { errorKind, code: result.code, reasons: [result.code], isRetryable: result.retryable };
}

/** When the next attempt may start, or undefined when there is none. */
function nextTryMs(
  deps: SettleAttemptDeps,
  { context, result }: Performed,
  verdict: Verdict,
  nowMs: number,
): number | undefined {
  if (verdict.errorKind === undefined || !isRetried(verdict.errorKind, verdict.isRetryable)) return undefined;
  const { step, execution } = context;
  const failedAttempts = step.errorAttempts + 1;
  if (failedAttempts >= execution.max_attempts) return undefined;
  const delayMs = retryDelayMs({
    failedAttempts,
    baseMs: execution.retry_backoff_ms || deps.activeBackoffMs,
    factorPpm: execution.retry_backoff_factor_ppm,
    maxMs: Math.min(deps.maxBackoffMs, execution.retry_backoff_max_ms ?? deps.maxBackoffMs),
    jitter: deps.jitter(),
    retryAfterMs: result.ok ? undefined : result.retryAfterMs,
  });
  const notBeforeMs = nowMs + delayMs;
  const deadlineMs = deadlineOf(step, execution);
  // never past the deadline: a try that could not start anyway would only hide the real end
  return deadlineMs !== undefined && notBeforeMs >= deadlineMs ? undefined : notBeforeMs;
}

function statusOf({ errorKind }: Verdict, notBeforeMs: number | undefined): AttemptStatus {
  if (errorKind === undefined) return "succeeded";
  if (errorKind === "cancelled") return "cancelled";
  return notBeforeMs === undefined ? "failed" : "retry_scheduled";
}

interface SealedPayloads {
  readonly blobs: readonly SealedBlob[];
  readonly ids: Pick<AttemptEnd, "outputBlob" | "outputDigest" | "errorBlob" | "checkpointBlob">;
  readonly outputCommitment: ReturnType<StepContext["vault"]["commit"]>["commitment"] | undefined;
  readonly detailsBlob: SealedBlob["blobId"] | undefined;
}

/** Seals what *inspect* let through; what it denied is sealed nowhere. */
function sealPayloads({ context, inspected }: Performed, verdict: Verdict, status: AttemptStatus): SealedPayloads {
  const { step, vault } = context;
  const seal = (field: SealedBlob["place"]["field"], value: JsonValue): SealedBlob =>
    vault.seal({ runUid: step.runUid, stepId: step.stepId, field }, canonicalJson(value));
  const details =
    inspected.kind === "not_storable" || inspected.details.length === 0
      ? undefined
      : seal("details", inspected.details);
  const nothing = { outputBlob: undefined, outputDigest: undefined, errorBlob: undefined, checkpointBlob: undefined };
  if (inspected.kind !== "clean") {
    return {
      blobs: details === undefined ? [] : [details],
      ids: nothing,
      outputCommitment: undefined,
      detailsBlob: details?.blobId,
    };
  }
  const { result, error, checkpoint, tool_events: toolEvents } = inspected.output;
  const isOutput = status === "succeeded" && verdict.errorKind === undefined && result !== undefined;
  const resultText = isOutput ? canonicalJson(result) : "";
  const committed = isOutput ? vault.commit(resultText) : undefined;
  const output =
    isOutput && committed !== undefined
      ? seal("output", {
          nonce: committed.nonce,
          ...(toolEvents === undefined ? {} : { tool_events: toolEvents }),
          value: result,
        })
      : undefined;
  const failed =
    error === undefined
      ? undefined
      : seal("error", { ...(error as JsonObject), ...(toolEvents === undefined ? {} : { tool_events: toolEvents }) });
  // `checkpoint: true` and none given: the output is the checkpoint (spec 01)
  const kept = checkpoint ?? (context.execution.checkpoint && isOutput ? result : undefined);
  const saved = kept === undefined ? undefined : seal("checkpoint", kept);
  return {
    blobs: [details, output, failed, saved].filter((blob) => blob !== undefined),
    ids: {
      outputBlob: output?.blobId,
      outputDigest: isOutput ? vault.digest("snapshot", resultText) : undefined,
      errorBlob: failed?.blobId,
      checkpointBlob: saved?.blobId,
    },
    outputCommitment: committed?.commitment,
    detailsBlob: details?.blobId,
  };
}

/** What is charged: the executor's report; without one the whole reservation, flagged. */
function usageOf({ context, result }: Performed): {
  readonly tokens: number;
  readonly usdMicros: number;
  readonly source: AttemptEnd["usageSource"];
} {
  const { usage } = result;
  const isCount = (value: number | undefined): value is number =>
    value !== undefined && Number.isSafeInteger(value) && value >= 0;
  if (usage === undefined || (!isCount(usage.tokens) && !isCount(usage.usdMicros))) {
    return { tokens: context.request.tokens, usdMicros: context.request.usdMicros, source: "assumed" };
  }
  return {
    tokens: isCount(usage.tokens) ? usage.tokens : context.request.tokens,
    usdMicros: isCount(usage.usdMicros) ? usage.usdMicros : context.request.usdMicros,
    source: "reported",
  };
}

const PROVIDER = /^[A-Za-z0-9._:/-]{1,128}$/;

function providerOf({ context, result }: Performed): Pick<AttemptEnd, "provider" | "providerVersion"> {
  const { inputs } = context;
  const clean = (value: JsonValue | undefined): string | undefined =>
    typeof value === "string" && PROVIDER.test(value) ? value : undefined;
  return {
    provider:
      clean(result.ok ? result.provider : undefined) ?? clean(inputs["provider"] ?? inputs["model"] ?? inputs["tool"]),
    providerVersion:
      clean(result.ok ? result.providerVersion : undefined) ??
      clean(inputs["provider_version"] ?? inputs["model_version"]),
  };
}

function limitsOf({ tokens, usdMicros }: BudgetView): JsonObject {
  return {
    ...(tokens.limit === undefined ? {} : { tokens: tokens.limit }),
    ...(usdMicros.limit === undefined ? {} : { usd_micros: usdMicros.limit }),
  };
}

function totalsOf({ tokens, usdMicros }: BudgetView): JsonObject {
  return {
    tokens: { reserved: tokens.reserved, used: tokens.used },
    usd_micros: { reserved: usdMicros.reserved, used: usdMicros.used },
  };
}

interface EventExtras {
  readonly notBeforeMs: number | undefined;
  readonly artifactId: string | undefined;
  readonly notify: JsonObject;
  readonly nowMs: number;
}

function eventData(performed: Performed, verdict: Verdict, end: AttemptEnd, extras: EventExtras): JsonObject {
  const { context, admission, budget } = performed;
  const reserved = { tokens: context.request.tokens, usd_micros: context.request.usdMicros };
  const actual = { tokens: end.actual.tokens, usd_micros: end.actual.usdMicros };
  const blobs: Record<string, string> = {};
  if (end.outputBlob !== undefined) blobs["output"] = end.outputBlob;
  if (end.checkpointBlob !== undefined) blobs["checkpoint"] = end.checkpointBlob;
  if (end.errorBlob !== undefined) blobs["error"] = end.errorBlob;
  // in canonical order, which spares sorting
  return {
    admission_record: admission.record.id,
    ...(extras.artifactId === undefined ? {} : { artifact: extras.artifactId }),
    attempt: end.attempt,
    blobs,
    budget: {
      actual,
      deltas: { tokens: actual.tokens - reserved.tokens, usd_micros: actual.usd_micros - reserved.usd_micros },
      ...(budget === undefined ? {} : { limits: limitsOf(budget) }),
      reserved,
      ...(budget === undefined ? {} : { totals: totalsOf(budget) }),
      tracked: budget !== undefined,
      usage_source: end.usageSource,
    },
    ...(verdict.code === undefined ? {} : { error_code: verdict.code }),
    ...(verdict.errorKind === undefined ? {} : { error_kind: verdict.errorKind }),
    executor: context.step.spec.type,
    isolation: end.isolation ?? "none",
    jti: admission.jti,
    latency_ms: Math.max(0, extras.nowMs - performed.startedAtMs),
    lease_epoch: context.step.leaseEpoch,
    ...(extras.notBeforeMs === undefined ? {} : { not_before_ms: extras.notBeforeMs }),
    ...extras.notify,
    outcome_record: end.outcomeRecord,
    ...(end.outputDigest === undefined ? {} : { output_digest: end.outputDigest }),
    ...(end.provider === undefined ? {} : { provider: end.provider }),
    ...(end.providerVersion === undefined ? {} : { provider_version: end.providerVersion }),
    ...(extras.notBeforeMs === undefined ? {} : { reason: "retry" }),
    ...(verdict.errorKind === undefined ? {} : { reasons: verdict.reasons }),
    tool_events: end.toolEvents,
  };
}
