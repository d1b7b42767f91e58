/**
 * Turns a checked submission into what the rest of the room works with: defaults filled, integers only.
 *
 * In: `RunSubmission`. Out: `NormalizedRun`. Pure. Not here: form (read-submission.ts), the plan's rules (plan.ts),
 * what is stored (prepare-submission.ts).
 */
import { canonicalJson } from "../core/canonical-json.ts";
import { StepgateError } from "../core/errors.ts";
import { type Digest, type StepId, UUID_PATTERN } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import type { StepSpec } from "../core/step.ts";
import { normalizeStep } from "./normalize-step.ts";
import { type GivenAmount, readAmount } from "./read-amount.ts";
import { normalizeRunConfig, type RunConfig, type RunKind, readExecutionMode, readRunKind } from "./run-config.ts";
import type { Breakpoint, RunSubmission, StepRequest } from "./submission.ts";

const UUID = new RegExp(UUID_PATTERN, "i");

export type Edge = readonly [StepId, StepId];

/** A plan: its steps in order of declaration, its edges without repetition. */
export interface Plan {
  readonly steps: readonly StepSpec[];
  readonly edges: readonly Edge[];
}

/** What belongs to one start of a plan and not to the plan. */
export interface RunStart {
  readonly runId: string | undefined;
  readonly labels: Readonly<Record<string, string>> | undefined;
  readonly subject: string | undefined;
  readonly priority: number;
  readonly seed: number | undefined;
  readonly timeLimitMs: number | undefined;
  /** As submitted; one that is not valid is replaced later (trace.ts). */
  readonly trace: { readonly traceparent: string; readonly tracestate?: string } | undefined;
  /** Each once. */
  readonly breakpoints: readonly Breakpoint[];
  readonly budget: GivenAmount | undefined;
}

export interface NormalizedRun {
  readonly kind: RunKind;
  readonly opId: string | undefined;
  /** Undefined when the run starts from a registered manifest alone. */
  readonly plan: Plan | undefined;
  /** Undefined when none was given: then the manifest's counts, or the defaults. */
  readonly runConfig: RunConfig | undefined;
  readonly manifestId: Digest | undefined;
  /** Inputs by step id, only together with `manifestId` and without a plan. */
  readonly inputs: Readonly<Record<string, JsonObject>> | undefined;
  readonly start: RunStart;
}

/**
 * Normalises a run submission; kind and mode come first, since nothing else means anything without them (spec 08).
 *
 * @throws {StepgateError} UNSUPPORTED_EXECUTION_MODE, then FIELD_INVALID naming the field.
 */
export function normalizeSubmission(submission: RunSubmission): NormalizedRun {
  const kind = readRunKind(submission.kind);
  readExecutionMode(submission.run_config?.execution_mode);
  refuseContradictions(submission);
  const runConfig = submission.run_config && normalizeRunConfig(submission.run_config);
  const { steps } = submission;
  return {
    kind,
    opId: submission.op_id,
    plan: steps && {
      steps: steps.map((step, index) => normalizeStep(step, runConfig?.retry_policy, `/steps/${index}`)),
      edges: distinctEdges(submission.edges ?? []),
    },
    runConfig,
    manifestId: submission.manifest_id as Digest | undefined,
    inputs: submission.inputs,
    start: normalizeStart(submission),
  };
}

/** A single step as the run it becomes: a plan of one. */
export function runOfStep(request: StepRequest): RunSubmission {
  const { step, ...start } = request;
  return { ...start, steps: [{ ...step, id: step.id ?? "step" }] };
}

/**
 * Canonical text of what makes two submissions the same one, for idempotency: everything that decides what runs.
 *
 * Left out, as for chains (spec 05): the run id itself, labels, priority, trace and breakpoints. Works on any checked
 * submission, also one that the plan's rules would refuse, since the lookup comes before all checks.
 *
 * @throws {StepgateError} JSON_INVALID for what strict parsing would have refused.
 */
export function submissionIdentity(submission: RunSubmission): string {
  const { id: _id, labels: _labels, priority: _priority, trace: _trace, debug: _debug, ...identity } = submission;
  return canonicalJson(identity);
}

function refuseContradictions({ id, steps, edges, manifest_id, inputs }: RunSubmission): void {
  const refuse = (field: string, reason: string): never => {
    throw new StepgateError("FIELD_INVALID", { field, reason });
  };
  // a path names a run by uid or by id; text of uid form must mean one thing
  if (id !== undefined && UUID.test(id)) refuse("/id", "has the form of a uid");
  if (steps === undefined && manifest_id === undefined) refuse("/steps", "missing: give steps or manifest_id");
  if (steps === undefined && edges !== undefined) refuse("/edges", "edges without steps");
  if (inputs === undefined) return;
  if (manifest_id === undefined) refuse("/inputs", "only with manifest_id");
  if (steps !== undefined) refuse("/inputs", "the steps hold their inputs already");
}

function normalizeStart(submission: RunSubmission): RunStart {
  return {
    runId: submission.id,
    labels: submission.labels,
    subject: submission.subject,
    priority: submission.priority ?? 0,
    seed: submission.seed,
    timeLimitMs: submission.time_limit_ms,
    trace: submission.trace,
    breakpoints: distinct(submission.debug?.breakpoints ?? [], ({ target, value }) => `${target} ${value}`),
    budget: readAmount(submission.budget, "/budget"),
  };
}

/** A repeated edge counts once (spec 02); the first of equals keeps its place. */
export function distinctEdges(edges: readonly (readonly [string, string])[]): readonly Edge[] {
  return distinct(edges as readonly Edge[], ([from, to]) => `${from} ${to}`);
}

/** Names hold no space, so texts joined by one are equal only for equal things. */
function distinct<T>(items: readonly T[], keyOf: (item: T) => string): readonly T[] {
  const seen = new Map<string, T>();
  for (const item of items) {
    const key = keyOf(item);
    if (!seen.has(key)) seen.set(key, item);
  }
  return [...seen.values()];
}
