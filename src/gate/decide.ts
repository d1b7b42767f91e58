/**
 * Stage 6, decide: the tenant's runtime pack decides at boundary `scheduler` on exactly the form that would run.
 *
 * No pack assigned refuses. Holds of stages 5 and 6 take effect here, after all packs have decided, so that the approver
 * and the digest see the final form, and a deny wins over a hold (spec 01).
 */
import { canonicalJson } from "../core/canonical-json.ts";
import { executionJson } from "../core/step.ts";
import { applyVerdict } from "./apply-verdict.ts";
import { goOn, refuse, type Stage, type StageOutcome, type StepContext } from "./context.ts";
import { type DecideDeps, decideWithPack } from "./decide-with-pack.ts";
import type { GuardrailDeps } from "./guardrails.ts";
import { inputPayload } from "./payload.ts";

export function makeDecide(deps: DecideDeps & Pick<GuardrailDeps, "validateInputs">): Stage {
  return async (context) => {
    const { runtimePack } = context.authority;
    if (runtimePack === undefined) return refuse(context, "decide", "policy_error", ["no_pack"]);
    if (context.runtimeDecision !== undefined) return holdOrGoOn(context);
    const verdict = decideWithPack(deps, context, {
      packName: runtimePack,
      stage: "decide",
      boundary: "scheduler",
      payload: inputPayload(context.inputs, context.inputsText, context.execution),
      approvals: [],
    });
    const next = applyVerdict(context, verdict, "decide");
    if (next.kind !== "continue") return next;
    const { pack } = verdict.decided ?? {};
    if (pack === undefined) return refuse(next.context, "decide", "policy_error", ["no_decision"]);
    const decided = { ...next.context, runtimeDecision: { pack, packInput: verdict.packInput } };
    if (verdict.isPatched && (deps.validateInputs(decided.step.spec.type, decided.inputs)?.length ?? 1) > 0) {
      return refuse(decided, "decide", "invalid_request", ["inputs_invalid_after_patch"]);
    }
    return holdOrGoOn(decided);
  };
}

function holdOrGoOn(context: StepContext): StageOutcome {
  const [first, ...others] = context.holds;
  if (first === undefined) return goOn(context);
  return {
    kind: "hold",
    context,
    shownDigest: context.vault.digest("approval", approvalForm(context)),
    role: first.role,
    ttlSeconds: others.reduce((shortest, hold) => Math.min(shortest, hold.ttlSeconds), first.ttlSeconds),
  };
}

/** Exactly what an approver approves: the request with all patches and the packs that decided; nothing that changes by itself. */
function approvalForm(context: StepContext): string {
  const { step, authority, evaluations } = context;
  const packs = [...new Set(evaluations.map((evaluation) => evaluation.pack.digest))].sort();
  return canonicalJson({
    tenant: step.tenantUid,
    run_uid: step.runUid,
    step: step.stepId,
    type: step.spec.type,
    inputs: context.inputs,
    execution: executionJson(context.execution),
    settings: authority.executorSettings[step.spec.type] ?? {},
    packs,
  });
}
