/**
 * Stage 6, decide: the tenant's runtime pack decides at boundary `scheduler` on exactly the form that would run.
 *
 * No pack assigned refuses. Holds of stages 5 and 6 take effect here, after all packs have decided, so that the approver
 * and the digest see the final form, and a deny wins over a hold (spec 01). Not here: approvals (pass-hold.ts).
 */
import { applyVerdict } from "./apply-verdict.ts";
import { refuse, type Stage } from "./context.ts";
import { decideWithPack } from "./decide-with-pack.ts";
import { makePassHold, type PassHoldDeps } from "./pass-hold.ts";
import { inputPayload } from "./payload.ts";
import { refuseInputs, type StepToolDeps } from "./step-tool.ts";

export interface DecideStageDeps extends PassHoldDeps, Pick<StepToolDeps, "validateInputs"> {}

export function makeDecide(deps: DecideStageDeps): Stage {
  const passHold = makePassHold(deps);
  return async (context) => {
    const { runtimePack } = context.authority;
    if (runtimePack === undefined) return refuse(context, "decide", "policy_error", ["no_pack"]);
    if (context.runtimeDecision !== undefined) return passHold(context);
    const use = { packName: runtimePack, stage: "decide", boundary: "scheduler" } as const;
    const verdict = decideWithPack(deps, context, {
      ...use,
      payload: inputPayload(context.inputs, context.inputsText, context.execution),
      approvals: [],
    });
    const next = applyVerdict(context, verdict, use);
    if (next.kind !== "continue") return next;
    const { pack } = verdict.decided ?? {};
    if (pack === undefined) return refuse(next.context, "decide", "policy_error", ["no_decision"]);
    const decided = { ...next.context, runtimeDecision: { pack, packInput: verdict.packInput } };
    if (verdict.isPatched && refuseInputs(deps, decided) !== undefined) {
      return refuse(decided, "decide", "invalid_request", ["inputs_invalid_after_patch"]);
    }
    return passHold(decided);
  };
}
