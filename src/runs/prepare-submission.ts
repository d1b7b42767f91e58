/**
 * From a checked submission to everything that is stored when the run begins, as one value (spec 08, submission).
 *
 * In: the submission, who submits, what the installation and the tenant allow. Out: `PreparedRun`. Nothing is written:
 * the caller looks up run id and idempotency key before, and stores the result in one transaction after.
 */

import { canonicalJson } from "../core/canonical-json.ts";
import type { PackRef } from "../core/decision.ts";
import { StepgateError } from "../core/errors.ts";
import type { BlobId, RunUid, StepId } from "../core/ids.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { pointerToken } from "../core/pointer-token.ts";
import type { StepSlo, StepSpec } from "../core/step.ts";
import type { FindPackUseFault } from "../policy/pack-options.ts";
import { type makeReadManifest, planOfManifest, type StoredManifest } from "./manifest.ts";
import type { Build } from "./manifest-shape.ts";
import { chooseManifest } from "./match-manifest.ts";
import type { Ceiling, TenantDefaults } from "./never-admissible.ts";
import { checkEstimates } from "./normalize-step.ts";
import { type Edge, type NormalizedRun, normalizeSubmission, type Plan } from "./normalize-submission.ts";
import { pinMembers, pinTools, type ToolPins } from "./pin-tools.ts";
import { type PlanLimits, type ValidPlan, type ValidStep, validatePlan } from "./plan.ts";
import { type RunTrace, runTrace } from "./run-trace.ts";
import { clampSlo, type OrderKeys, orderKeys, type SloTiers } from "./slo.ts";
import { type ForkOrigin, writeStepRef } from "./step-ref.ts";
import type { ManifestSubmission } from "./submission.ts";

/** What is the same for every submission to this installation. */
export interface Installation {
  /** Version of the executor of each step type it serves. */
  readonly executors: ReadonlyMap<string, string>;
  readonly build: Build;
  readonly limits: PlanLimits;
  readonly sloTiers: SloTiers;
  readonly findPackFault: FindPackUseFault;
  readonly readManifest: ReturnType<typeof makeReadManifest>;
}

/** What the tenant's quotas and settings say about any plan. */
export interface TenantLimits {
  readonly defaultRequest: TenantDefaults;
  /** The whole limits of the tenant's quotas. */
  readonly quotas: readonly Ceiling[];
}

/** What belongs to one submission. */
export interface SubmissionContext extends TenantLimits {
  readonly runUid: RunUid;
  readonly caller: { readonly keyId: string; readonly owner: string };
  /** Packs active now, as `run_submitted` names them. */
  readonly packs: readonly PackRef[];
  /** The newest version of each tool that a step names, by name; a name that is not in it is not registered. */
  readonly tools: ToolPins;
  /** What is stored under the submission's `manifest_id`; undefined when nothing is, or none is named. */
  readonly storedManifest: string | Uint8Array | undefined;
  /** Seals one canonical text and answers the id of its blob; called only after every check has passed. */
  readonly sealInput: (stepId: StepId, canonicalText: string) => BlobId;
  readonly sealLabels: (canonicalText: string) => BlobId;
  /** Where the run goes on from; undefined for an ordinary one. */
  readonly fork: ForkOrigin | undefined;
}

export interface PreparedStep {
  readonly stepId: StepId;
  /** Position in topological order. */
  readonly idx: number;
  readonly state: "queued" | "blocked";
  /** The step without its inputs: what packs see and may patch, beside the inputs. */
  readonly spec: Omit<StepSpec, "id" | "inputs">;
  readonly inputBlob: BlobId;
  readonly pendingDependencies: number;
  /** Steps whose values the inputs take, each once; written by step-ref.ts. */
  readonly refs: readonly string[];
  /** The step that this one compensates; undefined for an ordinary step. */
  readonly origin: StepId | undefined;
  readonly order: OrderKeys;
}

export interface PreparedRun extends Pick<NormalizedRun, "kind" | "start"> {
  readonly runUid: RunUid;
  readonly manifest: StoredManifest;
  readonly trace: RunTrace;
  /** True when the submitted trace context was not valid: to be logged as a warning. */
  readonly isTraceReplaced: boolean;
  readonly labelsBlob: BlobId | undefined;
  /** By `idx`. */
  readonly steps: readonly PreparedStep[];
  readonly edges: readonly Edge[];
  /** Steps that are no compensation targets: the run ends when none of them is open. */
  readonly openSteps: number;
  /** Data of the event `run_submitted`: all that the manifest does not hold; ids and numbers, no payload. */
  readonly submitted: JsonObject;
  readonly fork: ForkOrigin | undefined;
}

/**
 * Makes the preparation of submissions. The checks run in the spec's order and the first that fails wins: kind and mode →
 * fields → manifest (match-manifest.ts) → plan (plan.ts) → tiers → then inputs and labels are sealed.
 *
 * @throws {StepgateError} (the preparation) UNSUPPORTED_EXECUTION_MODE, FIELD_INVALID, the codes of `chooseManifest`
 *   and `validatePlan`.
 */
export function makePrepareRun(installation: Installation) {
  const check = makeCheck(installation);
  return (run: NormalizedRun, context: SubmissionContext): PreparedRun => {
    const { manifest, plan, contracts } = check(run, context);
    const steps = plan.steps.map((step, idx) => prepareStep(step, contracts[idx] as Contract, context));
    const { labels } = run.start;
    const labelsBlob = labels && context.sealLabels(canonicalJson(labels));
    const { trace, isReplaced } = runTrace(context.runUid, run.start.trace);
    return {
      runUid: context.runUid,
      kind: run.kind,
      start: run.start,
      manifest,
      trace,
      isTraceReplaced: isReplaced,
      labelsBlob,
      steps,
      edges: plan.edges,
      openSteps: steps.filter(({ origin }) => origin === undefined).length,
      submitted: submittedEvent({ run, manifest, trace, labelsBlob, steps, context }),
      fork: context.fork,
    };
  };
}

/**
 * Makes the preparation of `POST /v1/manifests`: the same checks on a plan without inputs, and nothing of a start.
 *
 * @throws {StepgateError} (the preparation) as `makePrepareSubmission`.
 */
export function makePrepareManifest(installation: Installation) {
  const check = makeCheck(installation);
  return (submission: ManifestSubmission, tenant: TenantLimits): StoredManifest =>
    check(normalizeSubmission(submission), { ...tenant, storedManifest: undefined, fork: undefined, tools: undefined })
      .manifest;
}

interface CheckedRun {
  readonly manifest: StoredManifest;
  readonly plan: ValidPlan;
  /** By `idx`, like the plan's steps. */
  readonly contracts: readonly Contract[];
}

/** What a step may ask of the queue, once its wish is clamped, and its place in the order by that. */
interface Contract {
  readonly slo: StepSlo | undefined;
  readonly order: OrderKeys;
}

function makeCheck(installation: Installation) {
  const { executors, limits, sloTiers, findPackFault } = installation;
  const types = new Set(executors.keys());
  return (
    run: NormalizedRun,
    context: TenantLimits &
      Pick<SubmissionContext, "storedManifest" | "fork"> & { readonly tools: ToolPins | undefined },
  ): CheckedRun => {
    const manifest = chooseManifest(run, { ...installation, stored: context.storedManifest });
    const budget: Ceiling = { name: "run_budget", bindsCompensations: false, ...run.start.budget };
    const given = run.plan ?? startedPlan(run, manifest);
    const plan = validatePlan(context.tools === undefined ? given : pinTools(given, context.tools), {
      types,
      limits,
      defaultRequest: context.defaultRequest,
      ceilings: [budget, ...context.quotas],
      takenOver: new Set(context.fork?.takenOver.keys()),
      findPackFault,
      // a plan that is registered has no inputs yet, which name its tools
      areToolsNamed: context.tools !== undefined,
    });
    const contracts = plan.steps.map(({ spec: { id, policy } }) => {
      const slo = policy.slo && clampSlo(policy.slo, sloTiers, `/steps/${id}/policy/slo`);
      return { slo, order: orderKeys(slo, run.start.priority) };
    });
    return { manifest, plan, contracts };
  };
}

function startedPlan({ inputs = {} }: NormalizedRun, { manifest }: StoredManifest): Plan {
  const known = new Set<string>(manifest.plan.steps.map(({ id }) => id));
  for (const [step, given] of Object.entries(inputs)) {
    const field = `/inputs/${pointerToken(step)}`;
    if (!known.has(step)) throw new StepgateError("FIELD_INVALID", { field, reason: "no such step" });
    checkEstimates(given, field);
  }
  return planOfManifest(manifest, inputs);
}

function prepareStep(step: ValidStep, { slo, order }: Contract, context: SubmissionContext): PreparedStep {
  const { id, inputs: _inputs, ...asked } = step.spec;
  // what packs and executors are told of the contract is what the queue keeps, not what was wished for
  const spec = slo === undefined ? asked : { ...asked, policy: { ...asked.policy, slo } };
  return {
    stepId: id,
    idx: step.idx,
    // a target waits for its turn, however few dependencies it has
    state: step.totalDependencies === 0 && step.origin === undefined ? "queued" : "blocked",
    spec,
    inputBlob: context.sealInput(id, step.inputsText),
    pendingDependencies: step.totalDependencies,
    refs: [...new Set(step.references.map((reference) => writeStepRef(reference.step, context.fork)))],
    origin: step.origin,
    order,
  };
}

/** By step id, of the steps that have one. */
function ofSome(steps: readonly PreparedStep[], read: (step: PreparedStep) => JsonValue | undefined): JsonObject {
  return Object.fromEntries(
    steps.flatMap((step) => {
      const value = read(step);
      return value === undefined ? [] : [[step.stepId, value] as const];
    }),
  );
}

function submittedEvent(prepared: {
  readonly run: NormalizedRun;
  readonly manifest: StoredManifest;
  readonly trace: RunTrace;
  readonly labelsBlob: BlobId | undefined;
  readonly steps: readonly PreparedStep[];
  readonly context: SubmissionContext;
}): JsonObject {
  const { run, manifest, trace, labelsBlob, steps, context } = prepared;
  const { runId, subject, priority, seed, timeLimitMs, budget, breakpoints } = run.start;
  return {
    op_id: manifest.manifest.op_id,
    manifest_id: manifest.id,
    kind: run.kind,
    priority,
    breakpoints: breakpoints.map(({ target, value }) => ({ target, value })),
    trace: { ...trace },
    caller: { key: context.caller.keyId, owner: context.caller.owner },
    packs: context.packs.map(({ id, version, digest }) => ({ id, version, digest })),
    inputs: Object.fromEntries(steps.map(({ stepId, inputBlob }) => [stepId, inputBlob])),
    refs: ofSome(steps, ({ refs }) => (refs.length === 0 ? undefined : refs)),
    orders: ofSome(steps, ({ order: { priority: rank, queueTargetMs } }) =>
      queueTargetMs === undefined ? undefined : { priority: rank, queue_target_ms: queueTargetMs },
    ),
    ...toolsEvent(steps, context.tools),
    ...(runId !== undefined && { run_id: runId }),
    ...(subject !== undefined && { subject }),
    ...(seed !== undefined && { seed }),
    ...(timeLimitMs !== undefined && { time_limit_ms: timeLimitMs }),
    ...(budget !== undefined && { budget: { ...budget } }),
    ...(labelsBlob !== undefined && { labels_blob: labelsBlob }),
    ...(context.fork !== undefined && { forked_from: forkEvent(context.fork) }),
  };
}

/** Which version each step is bound to, with the defaults it took over: the manifest holds neither. */
function toolsEvent(steps: readonly PreparedStep[], tools: ToolPins): JsonObject {
  const bound = ofSome(steps, ({ spec }) => {
    const pin = spec.tool === undefined ? undefined : tools.get(spec.tool.name);
    return pin && pinMembers(pin);
  });
  return Object.keys(bound).length === 0 ? {} : { tools: bound };
}

/** The link to the run before: which step, and which records say what was taken over. */
function forkEvent({ runUid, stepId, takenOver }: ForkOrigin): JsonObject {
  const records = [...takenOver].flatMap(([step, record]) => (record === undefined ? [] : [[step, record] as const]));
  return { run_uid: runUid, step_id: stepId, taken_over: Object.fromEntries(records) };
}
