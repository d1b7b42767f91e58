/**
 * One claimed step on its way through the gate: prepare, admit, perform, settle.
 *
 * In: an opened step. Out: nothing; everything that happened is in the settlement. An error of our own infrastructure
 * settles nothing and is thrown: the step is given up and taken again (spec 00, error kinds). Not here: claiming, batching.
 */
import { type Amount, isAmount, NOTHING } from "../core/amount.ts";
import { type Clock, checkedTime } from "../core/clock.ts";
import { isStepgateError, StepgateError } from "../core/errors.ts";
import { type FailPoints, failPoint } from "../core/fail-point.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import type { StepSpec } from "../core/step.ts";
import type { TenantAuthority } from "../core/tenant.ts";
import { within } from "../core/within.ts";
import { beginContext, type Capability, refuse, type StageOutcome, type StepContext } from "../gate/context.ts";
import { deadlineOf } from "../gate/deadline.ts";
import type { Gate } from "../gate/gate.ts";
import type { LeasedStep } from "../gate/leased-step.ts";
import type { AdmitOutcome, SettleOutcome } from "../gate/ports.ts";
import type { Performed } from "../gate/settle-attempt.ts";
import type { Admission, Settlement } from "../gate/settlement.ts";
import { requestOf } from "../runs/step-request.ts";
import type { Leases } from "./leases.ts";
import type { OpenedStep } from "./open-steps.ts";
import type { Authorities } from "./ports.ts";
import type { WaitingRoom } from "./waiting-room.ts";

type NotStarted = Exclude<StageOutcome, { readonly kind: "continue" }>;
type Started = Pick<Performed, "startedAtMs" | "budget">;

export interface RunStepDeps {
  readonly gate: Gate;
  readonly admit: (admission: Admission) => Promise<AdmitOutcome>;
  readonly settle: (settlement: Settlement) => Promise<SettleOutcome>;
  readonly authorities: Authorities;
  readonly leases: Leases;
  readonly databaseClock: Pick<Clock, "nowMs">;
  readonly failPoints: FailPoints;
  readonly retryDeferMs: number;
  readonly waitingRoom: Pick<WaitingRoom, "putBack">;
  /** How long a port may take to answer; longer than any bound of its own. */
  readonly answerMaxMs: number;
  readonly onOutcome: (
    context: StepContext,
    kind: Settlement["kind"] | "lost_lease",
    settlement: Settlement | undefined,
    /** Of what was started: when, and its run's budget as the admission left it. */
    started: Started | undefined,
  ) => void;
}

export function makeRunStep(given: RunStepDeps): (opened: OpenedStep) => Promise<void> {
  const deps: RunStepDeps = { ...given, databaseClock: checkedTime(given.databaseClock) };
  return async (opened) => {
    const authority = await within(
      deps.answerMaxMs,
      "authorities",
      deps.authorities.at(opened.step.tenantUid, opened.step.authorityVersion),
    );
    const started = enterGate(opened, authority);
    if (started.kind !== "continue") return settleRefusal(deps, started);
    const outcome = await deps.gate.prepare(started.context);
    try {
      if (outcome.kind !== "continue") return await settleRefusal(deps, paced(deps, outcome));
      await admitAndPerform(deps, outcome.context);
    } finally {
      outcome.context.releaseInFlight();
    }
  };
}

/**
 * Refuses a claimed step whose time is up, without leading it through the gate: it may be paused, or of a type that this
 * worker does not serve.
 */
export function makeEndOverdue(
  deps: Pick<
    RunStepDeps,
    "gate" | "settle" | "authorities" | "databaseClock" | "failPoints" | "answerMaxMs" | "onOutcome"
  >,
): (opened: OpenedStep) => Promise<void> {
  return async ({ step, vault }) => {
    const deadlineMs = deadlineOf(step);
    if (deadlineMs === undefined || deps.databaseClock.nowMs() < deadlineMs)
      throw new StepgateError("ANSWER_MALFORMED", { part: "claim_overdue" });
    const authority = await within(
      deps.answerMaxMs,
      "authorities",
      deps.authorities.at(step.tenantUid, step.authorityVersion),
    );
    const context = beginContext({ step, authority, vault, request: NOTHING });
    const detail = { deadline_ms: deadlineMs };
    await settleRefusal(deps, refuse(context, "deadline", "deadline_exceeded", ["deadline_exceeded"], detail));
  };
}

async function admitAndPerform(deps: RunStepDeps, context: StepContext): Promise<void> {
  const { capability } = context;
  if (capability === undefined) return settleRefusal(deps, refuse(context, "guard", "capability_denied", ["missing"]));
  const admission = deps.gate.admission(context, capability);
  failPoint(deps.failPoints, "before_admit");
  const admitted = await deps.admit(admission);
  failPoint(deps.failPoints, "after_admit");
  switch (admitted.kind) {
    case "started":
      return performAndSettle(deps, context, capability, { admission, budget: admitted.budget ?? context.step.budget });
    case "stale":
      return deps.onOutcome(context, "lost_lease", undefined, undefined);
    case "changed":
    case "run_stopped":
      return settleRefusal(deps, { kind: "defer", context, delayMs: 0, reason: "changed" });
    case "parallel_wait":
      return settleRefusal(deps, { kind: "defer", context, delayMs: deps.retryDeferMs, reason: "max_parallel" });
    case "concurrency_wait":
      return settleRefusal(deps, putBack(deps, context, { reason: "concurrency_key", detail: admitted.detail }));
    case "quota_wait":
      return settleRefusal(deps, putBack(deps, context, { reason: "quota", detail: admitted.detail }));
    case "quota_exceeded":
      return settleRefusal(deps, refuse(context, "admit", "quota_exceeded", ["quota_exceeded"], admitted.detail));
    case "budget_exceeded":
      return settleRefusal(
        deps,
        refuse(
          context,
          "admit",
          "budget_exceeded",
          [admitted.detail["reason"] === "uncapped" ? "uncapped" : "budget_exceeded"],
          admitted.detail,
        ),
      );
    case "caller_revoked":
      return settleRefusal(deps, refuse(context, "admit", "caller_revoked", ["caller_revoked"]));
    default:
      // whether it started is not known: it is given up, and so never performed
      throw new StepgateError("ANSWER_MALFORMED", { part: "admit" });
  }
}

async function performAndSettle(
  deps: RunStepDeps,
  context: StepContext,
  capability: Capability,
  admitted: Pick<Performed, "admission" | "budget">,
): Promise<void> {
  const startedAtMs = deps.databaseClock.nowMs();
  const lease = deps.leases.start(context.step, remainingMs(deps, context));
  try {
    if (lease.isLost()) throw lostLease(deps, context);
    const { result, inspected } = await deps.gate.perform(context, capability, lease.signal);
    if (lease.isLost()) throw lostLease(deps, context);
    const performed = { context, capability, ...admitted, result, inspected, aborted: lease.abortedBy(), startedAtMs };
    const settlement = deps.gate.settlementOfAttempt(performed);
    failPoint(deps.failPoints, "before_settle");
    try {
      await settleUntilKnown(deps, performed, settlement, lease.isLost);
    } catch (caught) {
      if (!isStepgateError(caught, "STORE_REFUSED")) throw caught;
      // the attempt was made and must end, also where the database will not take its result
      const bare = deps.gate.settlementOfAttempt({ ...performed, inspected: { kind: "not_storable" } });
      await settleUntilKnown(deps, performed, bare, lease.isLost);
    }
    failPoint(deps.failPoints, "after_settle");
  } finally {
    lease.end();
  }
}

/** Thrown, so that the attempt is given up: a lease lost by our own clock may still be extended, and nobody would reap it. */
function lostLease(deps: RunStepDeps, context: StepContext): StepgateError {
  deps.onOutcome(context, "lost_lease", undefined, undefined);
  return new StepgateError("STATE_CONFLICT", { reason: "the lease was lost" });
}

/** A worker that has a result keeps trying to settle it until it is stored or the lease is lost (spec 00, error kinds). */
async function settleUntilKnown(
  deps: RunStepDeps,
  performed: Started & Pick<Performed, "context">,
  settlement: Settlement,
  isLost: () => boolean,
): Promise<void> {
  for (;;) {
    try {
      const { isSettled } = await deps.settle(settlement);
      const known = isSettled ? settlement : undefined;
      return deps.onOutcome(performed.context, known?.kind ?? "lost_lease", known, performed);
    } catch (caught) {
      if (!isStepgateError(caught, "STORE_UNAVAILABLE", "STORE_FULL", "STORE_BUSY", "ANSWER_OVERDUE") || isLost())
        throw caught;
      await new Promise((resolve) => setTimeout(resolve, deps.retryDeferMs));
    }
  }
}

async function settleRefusal(
  deps: Pick<RunStepDeps, "gate" | "settle" | "failPoints" | "onOutcome">,
  outcome: NotStarted,
): Promise<void> {
  const settlement = deps.gate.settlementOfRefusal(outcome);
  failPoint(deps.failPoints, "before_settle");
  const { isSettled } = await deps.settle(settlement);
  failPoint(deps.failPoints, "after_settle");
  const known = isSettled ? settlement : undefined;
  deps.onOutcome(outcome.context, known?.kind ?? "lost_lease", known, undefined);
}

/** Where a step begins; a payload that does not open or an estimate that is no number ends it here. */
function enterGate(opened: OpenedStep, authority: TenantAuthority): StageOutcome {
  const { step, vault } = opened;
  checkAnswers(step, authority);
  const base = beginContext({ step, authority, vault, request: NOTHING });
  if (!opened.ok) return refuse(base, "guardrails", "invalid_request", [opened.error.code.toLowerCase()]);
  const request = readRequest(step.spec, authority);
  // a redaction may have turned an estimate into a text: that is the step's fault, not the infrastructure's
  if (request === undefined) return refuse(base, "guardrails", "invalid_request", ["estimate_invalid"]);
  const context = { ...base, request };
  const over = overCap(step.spec.policy.budget, request);
  if (over !== undefined) return refuse(context, "admit", "budget_exceeded", ["step_budget_exceeded"], over);
  return { kind: "continue", context };
}

/**
 * What is read as "no floor" or "never lost" where it is not there at all.
 *
 * @throws {StepgateError} ANSWER_MALFORMED: then the step is taken again.
 */
function checkAnswers({ errorAttempts, lostAttempts }: LeasedStep, authority: TenantAuthority): void {
  if (!Number.isSafeInteger(errorAttempts) || !Number.isSafeInteger(lostAttempts))
    throw new StepgateError("ANSWER_MALFORMED", { part: "claim" });
  const { requiredGuardrails, minIsolation, weakerIsolationAllowed, sinks } = authority;
  const areLists = [requiredGuardrails, weakerIsolationAllowed, sinks].every(Array.isArray);
  if (!areLists || !isJsonObject(minIsolation)) throw new StepgateError("ANSWER_MALFORMED", { part: "authorities" });
}

function readRequest(spec: StepSpec, { defaultRequests }: TenantAuthority): Amount | undefined {
  const defaults = defaultRequests[spec.type];
  try {
    const request = requestOf(spec, { tokens: defaults?.tokens ?? 0, usdMicros: defaults?.usd_micros ?? 0 });
    return isAmount(request) ? request : undefined;
  } catch (caught) {
    if (isStepgateError(caught, "FIELD_INVALID", "MONEY_INVALID")) return undefined;
    throw caught;
  }
}

/** `policy.budget` is the step's own cap: a request above it fails (spec 03, A12). */
function overCap(
  cap: { readonly tokens?: number; readonly usd_micros?: number } | undefined,
  request: { readonly tokens: number; readonly usdMicros: number },
): JsonObject | undefined {
  if (cap?.tokens !== undefined && request.tokens > cap.tokens)
    return { which: "step_tokens", limit: cap.tokens, requested: request.tokens };
  if (cap?.usd_micros !== undefined && request.usdMicros > cap.usd_micros)
    return { which: "step_usd_micros", limit: cap.usd_micros, requested: request.usdMicros };
  return undefined;
}

function remainingMs(deps: RunStepDeps, context: StepContext): number | undefined {
  const deadlineMs = deadlineOf(context.step, context.execution);
  return deadlineMs === undefined ? undefined : Math.max(0, deadlineMs - deps.databaseClock.nowMs());
}

/** Put back for what the admission found no place in. */
function putBack(
  deps: RunStepDeps,
  context: StepContext,
  { reason, detail }: { readonly reason: "quota" | "concurrency_key"; readonly detail: JsonObject },
): NotStarted {
  const { tenantUid } = context.step;
  const given = reason === "quota" ? detail["quota"] : detail["concurrency_key"];
  const of = typeof given === "string" ? given : undefined;
  const delayMs = deps.waitingRoom.putBack({ tenantUid, reason, of, resetsInMs: resetsInMs(deps, detail) });
  return { kind: "defer", context, delayMs, reason, ...(of === undefined ? {} : { of }) };
}

/** In what time a short quota that is used up resets; undefined where what others hold of it now may come back before. */
function resetsInMs(deps: RunStepDeps, detail: JsonObject): number | undefined {
  const { resets_at_ms: resetsAtMs, used, requested, limit } = detail;
  const mayComeBack = typeof used === "number" && Number(used) + Number(requested) <= Number(limit);
  return typeof resetsAtMs !== "number" || mayComeBack ? undefined : resetsAtMs - deps.databaseClock.nowMs();
}

/** As the gate put it back; of many that wait for room in flight only so many are looked at in a time. */
function paced(deps: RunStepDeps, outcome: NotStarted): NotStarted {
  if (outcome.kind !== "defer" || outcome.reason !== "backpressure") return outcome;
  const { tenantUid } = outcome.context.step;
  const wait = { tenantUid, reason: outcome.reason, of: undefined, resetsInMs: undefined };
  return { ...outcome, delayMs: deps.waitingRoom.putBack(wait) };
}
