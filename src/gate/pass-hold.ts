/**
 * What becomes of a step that packs hold, at the end of stage 6: it waits, or passes under an approval of this very form.
 *
 * With a good approval the packs that held decide once more, shown it; each must allow, or redact to the same form, else
 * the step is held anew (spec 01). A deny or a fault refuses here as everywhere. Not here: finding and verifying the
 * approval (approvals/find-approval.ts), consuming it (*admit*).
 */
import type { FindApproval, UsableApproval } from "../approvals/find-approval.ts";
import { shownFormText } from "../approvals/shown-form.ts";
import { roleText } from "../core/approval.ts";
import { applyVerdict } from "./apply-verdict.ts";
import { goOn, type Hold, refuse, type StageOutcome, type StepContext } from "./context.ts";
import { type DecideDeps, decideWithPack } from "./decide-with-pack.ts";
import { requestText } from "./mint.ts";
import { inputPayload } from "./payload.ts";
import { executorType } from "./step-tool.ts";

export interface PassHoldDeps extends DecideDeps {
  readonly findApproval: FindApproval;
}

export function makePassHold(deps: PassHoldDeps): (context: StepContext) => Promise<StageOutcome> {
  return async (context) => {
    const { step, vault } = context;
    if (context.holds.length === 0) return goOn(context);
    const formText = formOf(context);
    const found = await deps.findApproval({
      tenantUid: step.tenantUid,
      runUid: step.runUid,
      stepId: step.stepId,
      attempt: step.attempt,
      lastRecord: step.lastRecord,
      formText,
      formDigest: vault.digest("approval", formText),
    });
    switch (found.kind) {
      case "forged": {
        const detail = { approval_id: found.approvalId, reason: found.reason };
        return refuse(context, "decide", "policy_error", ["approval_not_verified"], detail);
      }
      case "none":
        return hold(context, formText);
      case "usable":
        return askAgain(deps, { context, approval: found.approval, formText });
    }
  };
}

interface Question {
  readonly context: StepContext;
  readonly approval: UsableApproval;
  readonly formText: string;
}

function askAgain(deps: DecideDeps, { context, approval, formText }: Question): StageOutcome {
  let asked = context;
  for (const held of context.holds) {
    const { packName, stage, boundary } = held;
    const payload = inputPayload(context.inputs, context.inputsText, context.execution);
    const verdict = decideWithPack(deps, asked, { packName, stage, boundary, payload, approvals: [approval.view] });
    const next = applyVerdict(asked, verdict, { packName, stage, boundary });
    if (next.kind !== "continue") return next;
    const isSame = verdict.payload.text === payload.text && verdict.decided?.pack.digest === held.pack.digest;
    if (!isSame || next.context.holds.length > asked.holds.length) {
      return hold({ ...context, evaluations: next.context.evaluations, details: next.context.details }, formText);
    }
    asked = withRuntimeDecision(next.context, held, verdict.packInput);
  }
  return goOn({ ...asked, approval });
}

/** What the tenant's pack was shown last is what its decision rests on. */
function withRuntimeDecision(context: StepContext, { pack, packName }: Hold, packInput: string): StepContext {
  return packName === context.authority.runtimePack ? { ...context, runtimeDecision: { pack, packInput } } : context;
}

/** The first to run out ends the wait; whoever decides needs the role that each pack asks for. */
function hold(context: StepContext, formText: string): StageOutcome {
  const { holds } = context;
  const ttlSeconds = Math.min(...holds.map((held) => held.ttlSeconds));
  return { kind: "hold", context, formText, role: roleText(holds.map(({ role }) => role)), ttlSeconds };
}

function formOf(context: StepContext): string {
  const { step, authority, evaluations } = context;
  return shownFormText({
    tenantUid: step.tenantUid,
    runUid: step.runUid,
    stepId: step.stepId,
    requestText: requestText(context),
    executorSettings: authority.executorSettings[executorType(context)] ?? {},
    packs: evaluations.map((evaluation) => evaluation.pack.digest),
    toolDigest: step.spec.tool?.digest,
  });
}
