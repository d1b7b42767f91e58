/**
 * Takes what a pack said into the context, or ends the step with it.
 *
 * Here: evaluations, patches, obligations and holds are added. Not here: asking the pack (decide-with-pack.ts).
 */
import { DEFAULT_APPROVAL_TTL_SECONDS, DEFAULT_APPROVER_ROLE } from "../core/approval.ts";
import { goOn, type Hold, refuse, type StageOutcome, type StepContext } from "./context.ts";
import type { PackUse, PackVerdict } from "./decide-with-pack.ts";

export function applyVerdict(
  context: StepContext,
  verdict: PackVerdict,
  use: Pick<PackUse, "packName" | "boundary"> & { readonly stage: Hold["stage"] },
): StageOutcome {
  const { stage } = use;
  const recorded: StepContext = {
    ...context,
    evaluations: [...context.evaluations, ...verdict.evaluations],
    details: [...context.details, ...verdict.details],
  };
  if (verdict.refusal !== undefined) return refuse(recorded, stage, verdict.refusal.errorKind, verdict.refusal.reasons);
  const { decided, payload } = verdict;
  if (decided === undefined || payload.place !== "inputs")
    return refuse(recorded, stage, "policy_error", ["no_decision"]);
  const { decision } = decided;
  return goOn({
    ...recorded,
    inputs: payload.inputs,
    inputsText: payload.inputsText,
    execution: payload.execution,
    patchPaths: verdict.isPatched
      ? [...context.patchPaths, ...verdict.evaluations.flatMap(({ patchPaths }) => patchPaths)]
      : context.patchPaths,
    obligations: [...context.obligations, ...decision.obligations],
    holds: decision.effect === "hold" ? [...context.holds, holdOf(decided, use)] : context.holds,
  });
}

function holdOf(
  { decision, pack }: NonNullable<PackVerdict["decided"]>,
  { packName, stage, boundary }: Parameters<typeof applyVerdict>[2],
): Hold {
  const wanted = decision.obligations.find((obligation) => obligation.type === "require_approval")?.properties ?? {};
  const { role, ttl_seconds: ttlSeconds } = wanted;
  return {
    pack,
    packName,
    stage,
    boundary,
    role: typeof role === "string" ? role : DEFAULT_APPROVER_ROLE,
    ttlSeconds: typeof ttlSeconds === "number" ? ttlSeconds : DEFAULT_APPROVAL_TTL_SECONDS,
  };
}
