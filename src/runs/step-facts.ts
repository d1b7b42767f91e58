/**
 * What the log says about each step beside its state: records, usage, providers, the attempt under way (spec 00, events).
 *
 * In: the events of a run, in order. Out: facts by step. Pure, one pass. Not here: states and attempts (projection.ts).
 */
import type { Amount } from "../core/amount.ts";
import type { EventType, RunEvent } from "../core/event.ts";
import type { StepId } from "../core/ids.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { optionalCount, optionalText } from "./event-data.ts";

/** What *admit* holds for an attempt that was started and has not ended. */
export interface OpenFacts {
  readonly worker: string | undefined;
  readonly startedAtMs: number;
  readonly reserved: Amount;
  readonly admissionRecord: string | undefined;
  readonly jti: string | undefined;
}

export interface StepFacts {
  readonly open: OpenFacts | undefined;
  /** Used by all attempts together. */
  readonly tokens: number;
  readonly usdMicros: number;
  readonly reasons: readonly string[];
  readonly provider: string | undefined;
  readonly providerVersion: string | undefined;
  readonly lastRecord: string | undefined;
  readonly decisionArtifact: string | undefined;
  readonly notBeforeMs: number | undefined;
}

export const NO_FACTS: StepFacts = {
  open: undefined,
  tokens: 0,
  usdMicros: 0,
  reasons: [],
  provider: undefined,
  providerVersion: undefined,
  lastRecord: undefined,
  decisionArtifact: undefined,
  notBeforeMs: undefined,
};

/** Ends of an attempt or of a step; only the first after a start closes the attempt and is charged. */
const ENDS: ReadonlySet<EventType> = new Set([
  "step_succeeded",
  "step_retry_scheduled",
  "step_attempt_lost",
  "step_failed",
  "step_refused",
  "step_cancelled",
  "step_held",
]);
const REQUEUES: ReadonlySet<EventType> = new Set(["step_retry_scheduled", "step_attempt_lost"]);

/** Collects the facts of every step that the log names. @throws {StepgateError} INVALID_LOG malformed_data. */
export function stepFacts(events: Iterable<RunEvent>): ReadonlyMap<StepId, StepFacts> {
  const facts = new Map<StepId, StepFacts>();
  for (const event of events) {
    if (event.stepId === undefined) continue;
    const before = facts.get(event.stepId) ?? NO_FACTS;
    if (event.type === "step_started") facts.set(event.stepId, { ...before, open: openFacts(event) });
    else if (ENDS.has(event.type)) facts.set(event.stepId, ended(before, event));
  }
  return facts;
}

/** An amount of an event's budget or reservation; what is not there is zero. */
export function amountOf(value: JsonValue | undefined): Amount {
  const { tokens, usd_micros: usdMicros }: JsonObject = isJsonObject(value) ? value : {};
  return { tokens: typeof tokens === "number" ? tokens : 0, usdMicros: typeof usdMicros === "number" ? usdMicros : 0 };
}

/** What the attempt used that this event ends. */
export function actualOf({ data }: RunEvent): Amount {
  const { budget } = data;
  return amountOf(isJsonObject(budget) ? budget["actual"] : undefined);
}

function openFacts(event: RunEvent): OpenFacts {
  return {
    worker: optionalText(event, "worker"),
    startedAtMs: event.atMs,
    reserved: amountOf(event.data["reserved"]),
    admissionRecord: optionalText(event, "admission_record"),
    jti: optionalText(event, "jti"),
  };
}

function ended(before: StepFacts, event: RunEvent): StepFacts {
  const used = before.open === undefined ? { tokens: 0, usdMicros: 0 } : actualOf(event);
  const { reasons } = event.data;
  const record =
    optionalText(event, "outcome_record") ??
    optionalText(event, "refusal_record") ??
    optionalText(event, "hold_record");
  return {
    open: undefined,
    tokens: before.tokens + used.tokens,
    usdMicros: before.usdMicros + used.usdMicros,
    reasons:
      Array.isArray(reasons) && !REQUEUES.has(event.type)
        ? reasons.filter((reason): reason is string => typeof reason === "string")
        : before.reasons,
    provider: optionalText(event, "provider") ?? before.provider,
    providerVersion: optionalText(event, "provider_version") ?? before.providerVersion,
    lastRecord: record ?? before.lastRecord,
    decisionArtifact: optionalText(event, "artifact") ?? before.decisionArtifact,
    notBeforeMs: optionalCount(event, "not_before_ms") ?? before.notBeforeMs,
  };
}
