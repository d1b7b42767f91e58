/**
 * Stage 8, guard: the adapter says whether this machine and these settings let the step run, and the token is checked by
 * the same code path that the adapter will use (spec 01). No token is a violation.
 *
 * Goes on with the isolation level, or finishes with every reason. An allow leaves no evaluation record, a deny does.
 */
import type { TokenExpectation, VerifyToken } from "../core/capability.ts";
import type { Evaluation, PackRef } from "../core/decision.ts";
import type { ErrorKind } from "../core/error-kind.ts";
import { StepgateError } from "../core/errors.ts";
import { flagsNamed } from "../core/guardrail-flag.ts";
import type { Digest } from "../core/ids.ts";
import { ISOLATION_LEVELS, type IsolationLevel, isAtLeast } from "../core/isolation.ts";
import type { JsonObject } from "../core/json.ts";
import { TOOL_TYPE } from "../core/tool.ts";
import type { WantedIsolation } from "../executors/contract.ts";
import { type Capability, goOn, refuse, type Stage, type StageOutcome, type StepContext } from "./context.ts";
import { specToRun } from "./mint.ts";
import { executorType } from "./step-tool.ts";

export interface GuardDeps {
  readonly issuer: string;
  readonly verifyToken: VerifyToken;
  readonly clockSkewSec: number;
}

/** The name under which a refused capability is recorded; it is the host's own check, so its digest is all zeros. */
const CAPABILITY_GUARD: PackRef = { id: "capability_guard", version: "1.0.0", digest: "0".repeat(64) as Digest };

export function makeGuard(deps: GuardDeps): Stage {
  return async (context) => {
    const { capability } = context;
    if (capability === undefined) return deny(context, "capability_denied", ["missing"]);
    const check = capability.adapter.check(specToRun(context), capability.settings, wantedIsolation(context));
    if (check.ok === true && !ISOLATION_LEVELS.includes(check.isolation))
      throw new StepgateError("ANSWER_MALFORMED", { part: "check" });
    if (check.ok !== true) return deny(context, check.kind, check.reasons);
    if (!isSandboxed(context, check.isolation)) return deny(context, "sandbox_unavailable", ["isolation_too_weak"]);
    const verdict = deps.verifyToken(capability.token, expectationOf(deps, context, capability));
    if (verdict.ok !== true) return deny(context, "capability_denied", verdict.reasons);
    // a verdict that does not name what it is about was made about nothing
    if (verdict.claims?.jti !== capability.claims.jti) throw new StepgateError("ANSWER_MALFORMED", { part: "verify" });
    return goOn({ ...context, capability: { ...capability, isolation: check.isolation } });
  };
}

/** What guard and adapter demand of a token: exactly this attempt, this request, this scope. */
export function expectationOf(
  { issuer, clockSkewSec }: Omit<GuardDeps, "verifyToken">,
  context: StepContext,
  capability: Capability,
): TokenExpectation {
  const { step } = context;
  return {
    issuer,
    audience: capability.adapter.audience,
    subject: { tenantUid: step.tenantUid, runUid: step.runUid, stepId: step.stepId, attempt: step.attempt },
    highestAttemptSeen: step.attempt,
    request: { salt: capability.salt, canonical: capability.canonicalRequest },
    demand: capability.demand,
    clockSkewSec,
  };
}

function wantedIsolation(context: StepContext): WantedIsolation {
  const { authority } = context;
  const type = executorType(context);
  return {
    minimum: authority.minIsolation[type] ?? "none",
    weakerAllowed: authority.weakerIsolationAllowed.includes(type),
  };
}

/** Whether the tenant lets floors of this step's types be missed, by their name: the record says so. */
export function isWeakerAllowed(context: StepContext): boolean {
  const { weakerIsolationAllowed } = context.authority;
  return [context.step.spec.type, executorType(context)].some((type) => weakerIsolationAllowed.includes(type));
}

/** A weaker level that the tenant allowed by name does not lift what the step's own flag or its tool asks for. */
function isSandboxed({ step, tool, authority }: StepContext, given: IsolationLevel): boolean {
  const flags = flagsNamed(step.spec.policy.guardrails, "tool_sandbox").map(({ isolation }) => isolation);
  // the floor of the type `tool` holds beside the executor's
  const ofTools = authority.weakerIsolationAllowed.includes(TOOL_TYPE) ? undefined : authority.minIsolation[TOOL_TYPE];
  const floors = tool === undefined ? flags : [...flags, tool.minIsolation ?? "none", ofTools ?? "none"];
  return floors.every((floor) => isAtLeast(given, floor));
}

function deny(
  context: StepContext,
  errorKind: ErrorKind,
  reasons: readonly string[],
  detail: JsonObject = {},
): StageOutcome {
  const evaluation: Evaluation = {
    stage: "guard",
    boundary: "scheduler",
    effect: "deny",
    reasons,
    patchPaths: [],
    obligations: [],
    pack: CAPABILITY_GUARD,
    origins: context.origins,
    durationUs: 0,
  };
  return refuse({ ...context, evaluations: [...context.evaluations, evaluation] }, "guard", errorKind, reasons, detail);
}
