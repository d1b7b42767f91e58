/**
 * One pack decides about one payload: ask, check what it said, apply its patches, ask again for stability (spec 01).
 *
 * In: the context and which pack. Out: the next context with the evaluation recorded, or the outcome. Anything a pack
 * says that is not understood is a refusal. Not here: which packs decide and when (guardrails.ts, decide.ts, inspect.ts).
 */
import { isApproverRole } from "../core/approval.ts";
import type { Clock } from "../core/clock.ts";
import type { Boundary, Evaluation, Obligation, PackDecision, PackRef, ReasonCode } from "../core/decision.ts";
import type { ErrorKind } from "../core/error-kind.ts";
import { StepgateError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { LoadedPack } from "../policy/pack.ts";
import { isPointer } from "../redaction/pointer.ts";
import { visiblePath } from "../redaction/visible-path.ts";
import type { StepContext } from "./context.ts";
import { evaluatePack } from "./evaluate-pack.ts";
import { hasUnknownSink } from "./notified-sinks.ts";
import { packInputText } from "./pack-input.ts";
import { type Payload, patchPayload } from "./payload.ts";
import type { Packs } from "./ports.ts";
import { inputsSchemaOf } from "./step-tool.ts";

export interface PackUse {
  readonly packName: string;
  readonly stage: "guardrails" | "decide" | "inspect";
  readonly boundary: Boundary;
  readonly payload: Payload;
  readonly approvals: readonly JsonObject[];
}

export interface Refusal {
  readonly errorKind: Extract<
    ErrorKind,
    "policy_denied" | "policy_error" | "patch_not_allowed" | "redaction_not_stable"
  >;
  readonly reasons: readonly ReasonCode[];
}

export interface PackVerdict {
  readonly evaluations: readonly Evaluation[];
  readonly details: readonly JsonObject[];
  /** The payload that goes on; patched when the pack redacted. */
  readonly payload: Payload;
  readonly isPatched: boolean;
  /** Undefined when no usable decision was made; then there is a refusal. */
  readonly decided: { readonly decision: PackDecision; readonly pack: PackRef } | undefined;
  /** Canonical pack input that the decision was made on. */
  readonly packInput: string;
  readonly refusal: Refusal | undefined;
}

export interface DecideDeps {
  readonly packs: Packs;
  /** JSON Schema of a step type's inputs; keys it does not name are payload. Undefined for an unknown type. */
  readonly inputsSchema: (type: string) => JsonObject | undefined;
  readonly databaseClock: Pick<Clock, "nowMs">;
}

/** Lets one pack decide. Never throws for anything a pack does. @throws {StepgateError} ANSWER_MALFORMED for no pack at all. */
export function decideWithPack(deps: DecideDeps, context: StepContext, use: PackUse): PackVerdict {
  const pack = deps.packs.get(use.packName);
  if (pack === undefined) return missingPack(use);
  if (typeof pack?.evaluate !== "function" || typeof pack.ref?.digest !== "string")
    throw new StepgateError("ANSWER_MALFORMED", { part: "packs" });
  const first = ask(deps, pack, context, use);
  if (first.refusal !== undefined || first.decided === undefined || first.decided.decision.patches.length === 0)
    return first;
  const { decision } = first.decided;
  const patched = patchPayload(use.payload, decision.patches);
  if (!patched.ok)
    return { ...first, refusal: { errorKind: "patch_not_allowed", reasons: [...decision.reasons, patched.reason] } };
  // the same pack must accept its own redaction, or a retried step would be denied by it (spec 01, stability)
  const second = ask(deps, pack, context, { ...use, payload: patched.payload });
  const merged: PackVerdict = {
    ...first,
    details: [...first.details, ...second.details],
    payload: patched.payload,
    packInput: second.packInput,
    isPatched: patched.payload.text !== use.payload.text,
  };
  return isStable(second, patched.payload)
    ? merged
    : {
        ...merged,
        refusal: { errorKind: "redaction_not_stable", reasons: [...decision.reasons, "redaction_not_stable"] },
      };
}

function isStable(second: PackVerdict, payload: Payload): boolean {
  if (second.refusal !== undefined || second.decided === undefined) return false;
  const { patches } = second.decided.decision;
  if (patches.length === 0) return true;
  const again = patchPayload(payload, patches);
  return again.ok && again.payload.text === payload.text;
}

function ask(deps: DecideDeps, pack: LoadedPack, context: StepContext, use: PackUse): PackVerdict {
  const asked =
    use.payload.place === "output"
      ? context
      : {
          ...context,
          inputs: use.payload.inputs,
          inputsText: use.payload.inputsText,
          execution: use.payload.execution,
        };
  const packInput = packInputText(asked, {
    boundary: use.boundary,
    timeMs: deps.databaseClock.nowMs(),
    outputText: use.payload.place === "output" ? use.payload.text : undefined,
    options: optionsFor(context, use),
    approvals: use.approvals,
  });
  const result = evaluatePack(pack, packInput, context.step.tenantUid);
  const base = { details: [], payload: use.payload, isPatched: false, packInput };
  const evaluation = (decision: Pick<PackDecision, "effect" | "reasons" | "obligations" | "patches">): Evaluation => ({
    stage: use.stage,
    boundary: use.boundary,
    effect: decision.effect,
    reasons: decision.reasons,
    patchPaths: shownPaths(deps, context, use, decision.patches),
    obligations: decision.obligations,
    pack: pack.ref,
    origins: context.origins,
    durationUs: result.durationUs,
  });
  if (!result.ok) {
    const reasons = [`pack_${result.fault}`];
    return {
      ...base,
      evaluations: [evaluation({ effect: "deny", reasons, obligations: [], patches: [] })],
      decided: undefined,
      refusal: { errorKind: "policy_error", reasons },
    };
  }
  const { decision } = result;
  return {
    ...base,
    details: detailsOf(pack, decision, result.undeclared),
    evaluations: [evaluation(decision)],
    decided: { decision, pack: pack.ref },
    refusal: refusalOf(decision, context, use),
  };
}

/** What the record does not say in the clear: free reasons, and what the obligations hold (who is to be told, for how long). */
function detailsOf(
  { ref }: LoadedPack,
  { obligations }: PackDecision,
  undeclared: readonly string[],
): readonly JsonObject[] {
  const told: JsonObject[] = [];
  if (undeclared.length > 0) told.push({ pack: ref.id, undeclared });
  if (obligations.length > 0)
    told.push({ pack: ref.id, obligations: obligations.map(({ id, type, properties }) => ({ id, type, properties })) });
  return told;
}

/** What the step's own entry for this pack and this side of the effect says; submission lets one name a pack once a side. */
function optionsFor({ step }: StepContext, { packName, payload }: PackUse): JsonObject | undefined {
  const hook = payload.place === "output" ? "post" : "pre";
  return step.spec.policy.packs.find(({ name, hooks }) => name === packName && hooks.includes(hook))?.options;
}

/** What an executor returns, as the host wraps it (inspect.ts): these keys are ours, what lies below is payload. */
const OUTPUT_SCHEMA: JsonObject = {
  properties: {
    result: {},
    checkpoint: {},
    error: { properties: { code: {}, message: {}, details: {} } },
    tool_events: { type: "array", items: { properties: { kind: {}, payload: {} } } },
  },
};

/** A key that a caller or a tool chose may itself be a secret: it is shown as `*` (spec 00, payloads at rest). */
function shownPaths(
  deps: DecideDeps,
  context: StepContext,
  { payload }: PackUse,
  patches: PackDecision["patches"],
): readonly string[] {
  const schema = payload.place === "output" ? OUTPUT_SCHEMA : inputsSchemaOf(deps, context);
  return patches.map(({ path }) => (isPointer(path) ? visiblePath(path, schema) : "*"));
}

/** Somebody is to be told who is not there: what a policy asks for must not be passed over. */
const UNKNOWN_SINK = "unknown_sink";

function refusalOf(decision: PackDecision, context: StepContext, use: PackUse): Refusal | undefined {
  const broken = (reason: ReasonCode): Refusal => ({
    errorKind: "policy_error",
    reasons: [...decision.reasons, reason],
  });
  const isUnheard = hasUnknownSink(decision.obligations, context);
  if (decision.effect === "deny")
    return { errorKind: "policy_denied", reasons: [...decision.reasons, ...(isUnheard ? [UNKNOWN_SINK] : [])] };
  if (isUnheard) return broken(UNKNOWN_SINK);
  if (decision.effect === "hold" && use.stage === "inspect") return broken("hold_not_possible");
  if (decision.effect !== "hold" && decision.obligations.some((obligation) => obligation.type === "require_approval")) {
    return broken("approval_without_hold");
  }
  if (decision.obligations.some(isUnanswerable)) return broken("unknown_approver_role");
  if (decision.effect === "allow" && decision.patches.length > 0) return broken("patches_without_redact");
  return undefined;
}

/** An approval by a role that no key can have: the step would wait for nobody. */
function isUnanswerable({ type, properties: { role } }: Obligation): boolean {
  return type === "require_approval" && role !== undefined && !isApproverRole(role);
}

function missingPack(use: PackUse): PackVerdict {
  return {
    evaluations: [],
    details: [],
    payload: use.payload,
    isPatched: false,
    decided: undefined,
    packInput: "",
    refusal: { errorKind: "policy_error", reasons: ["no_pack"] },
  };
}
