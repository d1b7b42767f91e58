/**
 * A single step, performed and waited for: a one-step run through the same queue and gate as every other (spec 10).
 *
 * In: the step and who sends it. Out: its result, its refusal, or where to look while it goes on. Not here: HTTP.
 */
import type { Clock } from "../core/clock.ts";
import { dominantEffect } from "../core/decision.ts";
import { ERROR_KINDS, type ErrorKind } from "../core/error-kind.ts";
import type { ArtifactId, RunUid, TenantUid } from "../core/ids.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { parseJson } from "../core/parse-json.ts";
import { isStepEnded } from "../core/state.ts";
import type { StoredBlob } from "../core/vault.ts";
import { summarise, viewWithDecisions, type WrittenEvaluation } from "../evidence/decision-artifact.ts";
import type { ChangeFeed } from "./change-feed.ts";
import { runOfStep } from "./normalize-submission.ts";
import type { RunStore, StepEndRow, StepRow } from "./ports.ts";
import type { StepRequest } from "./submission.ts";
import type { SubmitInput, SubmitRun } from "./submit-run.ts";

export interface PerformDeps {
  readonly store: RunStore;
  readonly submitRun: SubmitRun;
  readonly feed: ChangeFeed;
  readonly open: (blob: StoredBlob) => Promise<string>;
  readonly clock: Clock;
}

export interface PerformInput extends Omit<SubmitInput, "submission"> {
  readonly request: StepRequest;
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

/** Submits, then waits for the step's end, at most `waitMs` or until the caller leaves; the run goes on either way. */
export function makePerformStep(deps: PerformDeps) {
  return async ({ request, waitMs, signal, ...start }: PerformInput) => {
    const { runUid, isNew } = await deps.submitRun({ ...start, submission: runOfStep(request) });
    const found = await waitForEnd(deps, { tenantUid: start.tenantUid, runUid, isNew, waitMs, signal });
    return outcomeOf(deps, runUid, found);
  };
}

interface Waiting {
  readonly tenantUid: TenantUid;
  readonly runUid: RunUid;
  /** Its end cannot have been missed: there is no need to look before anything is heard of it. */
  readonly isNew: boolean;
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

async function waitForEnd(
  deps: PerformDeps,
  { tenantUid, runUid, isNew, waitMs, signal }: Waiting,
): Promise<StepEndRow | undefined> {
  const endMs = deps.clock.monotonicMs() + waitMs;
  let wake = (): void => undefined;
  let isChanged = false;
  const stop = deps.feed.subscribe(runUid, () => {
    isChanged = true;
    wake();
  });
  const pause = (restMs: number): Promise<void> =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, restMs);
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", end);
        resolve();
      };
      wake = end;
      signal.addEventListener("abort", end, { once: true });
    });
  try {
    if (isNew && waitMs > 0 && !signal.aborted) await pause(waitMs);
    for (;;) {
      isChanged = false;
      const found = await deps.store.stepEnd(tenantUid, runUid);
      const restMs = endMs - deps.clock.monotonicMs();
      const state = found?.step.state;
      if (state === undefined || isStepEnded(state) || state === "held" || restMs <= 0 || signal.aborted) return found;
      if (isChanged) continue;
      await pause(restMs);
    }
  } finally {
    stop();
  }
}

async function outcomeOf(deps: PerformDeps, runUid: RunUid, found: StepEndRow | undefined) {
  const step = found?.step;
  const stepId = step?.stepId ?? "step";
  const recordIds = step?.recordIds ?? [];
  if (found === undefined || step === undefined || !isStepEnded(step.state)) {
    const notBefore =
      step?.notBeforeMs === undefined || step.attemptsMade === 0
        ? {}
        : { not_before: new Date(step.notBeforeMs).toISOString() };
    return {
      kind: "pending" as const,
      pending: {
        run_uid: runUid,
        step_id: stepId,
        status: step?.state ?? ("queued" as const),
        reason: waitOf(step),
        record_ids: recordIds,
        ...notBefore,
      },
    };
  }
  const decision = decisionOf(found.evaluations);
  if (step.state === "succeeded") {
    return {
      kind: "succeeded" as const,
      result: {
        run_uid: runUid,
        step_id: stepId,
        status: "succeeded" as const,
        attempt: step.attemptsMade,
        decision,
        output: viewOf(await outputOf(deps, found.output), found),
        record_ids: recordIds,
        cost: { tokens: step.tokens, usd_micros: step.usdMicros },
      },
    };
  }
  const errorKind: ErrorKind = step.errorKind ?? "cancelled";
  const end = { runUid, stepId, errorKind, reasons: step.reasons, recordIds, decision };
  const isDenied = ERROR_KINDS[errorKind].attempt === "no" || errorKind === "output_denied";
  return isDenied ? { kind: "denied" as const, end } : { kind: "failed" as const, end };
}

function waitOf(step: StepRow | undefined): "hold" | "defer" | "retry" | "wait" | "running" {
  switch (step?.state) {
    case "held":
      return "hold";
    case "waiting":
      return "wait";
    case "queued":
      return step.attemptsMade > 0 ? "retry" : "defer";
    default:
      return "running";
  }
}

async function outputOf({ open }: PerformDeps, blob: StoredBlob | undefined): Promise<JsonValue> {
  if (blob === undefined) return null;
  const sealed = parseJson(await open(blob));
  return isJsonObject(sealed) ? (sealed["value"] ?? null) : null;
}

/** The output as it is shown: an object with its decisions (A14). What is stored, and what other steps read, is without. */
function viewOf(output: JsonValue, { step, evaluations }: StepEndRow): JsonValue {
  if (!isJsonObject(output) || step.decisionArtifact === undefined) return output;
  return viewWithDecisions(output, summarise(written(evaluations)), step.decisionArtifact as ArtifactId);
}

/** What was decided, of evaluations as records write them. */
export function decisionOf(evaluations: readonly JsonObject[]) {
  const all = written(evaluations);
  return {
    effect: dominantEffect(all.map(({ effect }) => effect)),
    reasons: [...new Set(all.flatMap(({ reasons }) => reasons))],
    evaluations: all.map(({ stage, boundary, effect, reasons, patch_paths, pack, duration_us }) => ({
      stage,
      boundary,
      effect,
      reasons,
      patch_paths,
      pack,
      duration_us,
    })),
  };
}

/** Written by evidence/statement.ts in exactly this form. */
interface ShownEvaluation extends WrittenEvaluation {
  readonly stage: "guardrails" | "decide" | "guard" | "admit" | "inspect";
  readonly patch_paths: readonly string[];
  readonly pack: { readonly id: string; readonly version: string; readonly digest: string };
  readonly duration_us: number;
}

function written(evaluations: readonly JsonObject[]): readonly ShownEvaluation[] {
  return evaluations as readonly (JsonObject & ShownEvaluation)[];
}
