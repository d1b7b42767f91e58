/**
 * What became of each step of a run, told by its events alone (spec 00, one log per run).
 *
 * In: events in order, as the API streams them. Out: one story per step, and the run's end. Pure; knows no payload, since
 * events hold none. Not here: lines on a terminal (story-lines.ts), what a sample expects (sample/compare.ts).
 */
import { countOf, type Data, dataOf, textOf, textsOf } from "./read-data.ts";
import type { EventView } from "./wire.ts";

export interface StepStory {
  readonly id: string;
  readonly state:
    | "running"
    | "retrying"
    | "held"
    | "waiting"
    | "succeeded"
    | "failed"
    | "refused"
    | "skipped"
    | "cancelled";
  /** The step type that performs it; undefined when nothing came to that. */
  readonly executor: string | undefined;
  readonly isolation: string | undefined;
  /** allow, redact, hold, deny; or the error kind of a refusal that is no pack's. */
  readonly decision: string | undefined;
  /** Pointers, never values. */
  readonly redacted: readonly string[];
  /** Ids of the tokens that were minted and used, one per attempt. */
  readonly tokens: readonly string[];
  readonly attempts: number;
  readonly latencyMs: number;
  readonly costTokens: number;
  readonly costUsdMicros: number;
  /** Signed records, oldest first. */
  readonly records: readonly string[];
  readonly errorKind: string | undefined;
  readonly reasons: readonly string[];
  /** Of a refusal for want of budget: what was asked and what was left. */
  readonly detail: Data;
  /** What a held step waits for. */
  readonly approval: { readonly id: string; readonly role: string; readonly expiresAt: string } | undefined;
  /** The failed step that this one undoes. */
  readonly undoes: string | undefined;
}

export interface RunStory {
  readonly steps: ReadonlyMap<string, StepStory>;
  /** succeeded, failed or cancelled; undefined while it goes on. */
  readonly end: string | undefined;
}

export const NO_STORY: RunStory = { steps: new Map(), end: undefined };

/** The story after one more event. */
export function tell(story: RunStory, event: EventView): RunStory {
  const end = /^run_(succeeded|failed|cancelled)$/.exec(event.type)?.[1] ?? story.end;
  const { step_id: id, data } = event;
  if (event.type === "compensation_scheduled") {
    const target = textOf(data, "target");
    if (target === undefined) return story;
    return { end, steps: withStep(story, { ...stepOf(story, target), undoes: textOf(data, "origin") ?? id }) };
  }
  if (id === undefined) return { ...story, end };
  const next = tellStep(stepOf(story, id), event.type, data);
  return next === undefined ? { ...story, end } : { end, steps: withStep(story, next) };
}

function tellStep(step: StepStory, type: string, data: Data): StepStory | undefined {
  switch (type) {
    case "step_input_redacted":
      return { ...step, redacted: union(step.redacted, textsOf(data, "paths")) };
    case "step_started":
      return {
        ...step,
        state: "running",
        executor: textOf(data, "executor"),
        isolation: textOf(data, "isolation"),
        decision: strongest(textsOf(data, "effects")),
        redacted: union(step.redacted, textsOf(data, "redacted_paths")),
        tokens: append(step.tokens, textOf(data, "jti")),
        attempts: step.attempts + 1,
        records: append(step.records, textOf(data, "admission_record")),
      };
    case "step_succeeded":
      return { ...ended(step, data), state: "succeeded" };
    case "step_failed":
      return { ...ended(step, data), state: "failed" };
    case "step_retry_scheduled":
      return { ...ended(step, data), state: "retrying" };
    case "step_cancelled":
      return { ...ended(step, data), state: "cancelled" };
    case "step_refused":
      return {
        ...step,
        state: "refused",
        executor: textOf(data, "executor"),
        decision: refusal(textOf(data, "error_kind")),
        redacted: union(step.redacted, textsOf(data, "redacted_paths")),
        records: append(step.records, textOf(data, "refusal_record")),
        errorKind: textOf(data, "error_kind"),
        reasons: textsOf(data, "reasons"),
        detail: dataOf(data, "detail"),
      };
    case "step_skipped":
      return { ...step, state: "skipped", reasons: append([], textOf(data, "reason")) };
    case "step_held":
      return {
        ...step,
        state: "held",
        executor: textOf(data, "executor"),
        decision: "hold",
        approval: {
          id: textOf(data, "approval_id") ?? "",
          role: textOf(data, "role") ?? "",
          expiresAt: new Date(countOf(data, "expires_at_ms")).toISOString(),
        },
        records: append(step.records, textOf(data, "hold_record")),
      };
    case "approval_granted":
      return {
        ...step,
        state: "running",
        approval: undefined,
        records: append(step.records, textOf(data, "approval_record")),
      };
    case "approval_rejected":
      return { ...step, approval: undefined, records: append(step.records, textOf(data, "approval_record")) };
    case "step_waiting":
      return { ...step, state: "waiting" };
    default:
      return undefined;
  }
}

/** An attempt's end: what all of them have in common. */
function ended(step: StepStory, data: Data): StepStory {
  const actual = dataOf(dataOf(data, "budget"), "actual");
  return {
    ...step,
    latencyMs: step.latencyMs + countOf(data, "latency_ms"),
    costTokens: step.costTokens + countOf(actual, "tokens"),
    costUsdMicros: step.costUsdMicros + countOf(actual, "usd_micros"),
    records: append(step.records, textOf(data, "outcome_record")),
    errorKind: textOf(data, "error_kind"),
    reasons: textsOf(data, "reasons"),
  };
}

const EFFECTS = ["deny", "hold", "redact", "allow"] as const;

function strongest(effects: readonly string[]): string | undefined {
  return EFFECTS.find((effect) => effects.includes(effect)) ?? effects[0];
}

function refusal(errorKind: string | undefined): string {
  if (errorKind === "policy_denied") return "deny";
  return errorKind === "budget_exceeded" ? "budget" : (errorKind ?? "refused");
}

function stepOf(story: RunStory, id: string): StepStory {
  return story.steps.get(id) ?? { ...UNTOLD, id };
}

const UNTOLD: Omit<StepStory, "id"> = {
  state: "running",
  executor: undefined,
  isolation: undefined,
  decision: undefined,
  redacted: [],
  tokens: [],
  attempts: 0,
  latencyMs: 0,
  costTokens: 0,
  costUsdMicros: 0,
  records: [],
  errorKind: undefined,
  reasons: [],
  detail: {},
  approval: undefined,
  undoes: undefined,
};

function withStep(story: RunStory, step: StepStory): ReadonlyMap<string, StepStory> {
  return new Map([...story.steps, [step.id, step]]);
}

function append(list: readonly string[], item: string | undefined): readonly string[] {
  return item === undefined || list.includes(item) ? list : [...list, item];
}

function union(one: readonly string[], other: readonly string[]): readonly string[] {
  return [...new Set([...one, ...other])];
}
