/**
 * Stage 5, guardrails: references resolved, inputs validated, then the tenant's floor and the step's own packs decide,
 * each on the previous one's patched form (spec 01). A step can only add restrictions.
 *
 * Goes on, finishes, or remembers a hold for after stage 6. Not here: the tenant's runtime pack (decide.ts).
 */
import { canonicalJson } from "../core/canonical-json.ts";
import type { Boundary, Origin } from "../core/decision.ts";
import type { JsonObject } from "../core/json.ts";
import type { StepSpec } from "../core/step.ts";
import type { TakeTurn } from "../core/turns.ts";
import { visiblePath } from "../redaction/visible-path.ts";
import { resolveReferences } from "../runs/references.ts";
import { applyVerdict } from "./apply-verdict.ts";
import { goOn, refuse, type Stage, type StepContext } from "./context.ts";
import { type DecideDeps, decideWithPack } from "./decide-with-pack.ts";
import { guardrailPacks, makeFindPackFault } from "./guardrail-packs.ts";
import { inputPayload } from "./payload.ts";
import { type InputRefusal, inputsSchemaOf, openStepTool, refuseInputs, type StepToolDeps } from "./step-tool.ts";

export interface GuardrailDeps extends DecideDeps, StepToolDeps {
  /** Asked before each pack: some take milliseconds over a large payload. */
  readonly takeTurn: TakeTurn;
}

export function makeGuardrails(deps: GuardrailDeps): Stage {
  const findPackFault = makeFindPackFault(deps.packs);
  return async (start) => {
    const opened = await openStepTool(deps, start);
    if (opened.kind !== "continue") return opened;
    const resolved = resolveInputs(opened.context);
    if (resolved === undefined) return refuse(opened.context, "guardrails", "invalid_request", ["reference_missing"]);
    let context = resolved;
    const refusal = refuseInputs(deps, context);
    if (refusal !== undefined)
      return refuse(context, "guardrails", refusal.errorKind, [refusal.reason], shown(deps, context, refusal));
    const packs = guardrailPacks(context.authority, context.step.spec);
    if (!packs.ok)
      return refuse(context, "guardrails", "policy_error", ["guardrail_not_supported"], { flag: packs.flag });
    const fault = findPackFault(context.step.spec);
    if (fault !== undefined) return refuse(context, "guardrails", "policy_error", [fault.reason], { pack: fault.pack });
    for (const packName of packs.names) {
      for (let turn = deps.takeTurn(); turn !== undefined; turn = deps.takeTurn()) await turn;
      const use = { packName, stage: "guardrails", boundary: ingressBoundary(context.step.spec) } as const;
      const verdict = decideWithPack(deps, context, {
        ...use,
        payload: inputPayload(context.inputs, context.inputsText, context.execution),
        approvals: [],
      });
      const next = applyVerdict(context, verdict, use);
      if (next.kind !== "continue") return next;
      context = rememberRuntimeDecision(context, next.context, packName, verdict);
      if (verdict.isPatched && refuseInputs(deps, context) !== undefined) {
        return refuse(context, "guardrails", "invalid_request", ["inputs_invalid_after_patch"]);
      }
    }
    return goOn(context);
  };
}

/** Pointers of what is wrong, without keys that the caller chose. */
function shown(deps: DecideDeps, context: StepContext, { pointers }: InputRefusal): JsonObject {
  if (pointers.length === 0) return {};
  const schema = inputsSchemaOf(deps, context);
  return { fields: pointers.map((pointer) => visiblePath(`/inputs${pointer === "/" ? "" : pointer}`, schema)) };
}

/** Steps that prompt a model are guarded as prompts, all others as tool calls. */
export function ingressBoundary(spec: Pick<StepSpec, "type">): Boundary {
  return spec.type === "llm" || spec.type === "agent" ? "ingress_prompt" : "ingress_tool";
}

/** The floor's decision counts for stage 6 when it is the runtime pack and nothing was patched after it (spec 01). */
function rememberRuntimeDecision(
  before: StepContext,
  after: StepContext,
  packName: string,
  verdict: ReturnType<typeof decideWithPack>,
): StepContext {
  if (packName === before.authority.runtimePack && verdict.decided !== undefined) {
    return { ...after, runtimeDecision: { pack: verdict.decided.pack, packInput: verdict.packInput } };
  }
  return verdict.isPatched ? { ...after, runtimeDecision: undefined } : after;
}

function resolveInputs(context: StepContext): StepContext | undefined {
  const { step } = context;
  const boundary = ingressBoundary(step.spec);
  const origins: Origin[] = [{ boundary, source: "user" }];
  if (!step.hasReferences) return { ...context, origins };
  const resolution = resolveReferences(step.spec.inputs, (stepId) => step.referenced.get(stepId));
  if (!resolution.ok) return undefined;
  for (const stepId of step.referenced.keys()) {
    const runUid = step.referencedRuns.get(stepId) ?? step.runUid;
    origins.push({ boundary, source: "tool", runUid, stepId });
  }
  return { ...context, inputs: resolution.inputs, inputsText: canonicalJson(resolution.inputs), origins };
}
