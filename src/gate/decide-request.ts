/**
 * A decision without an effect (`POST /v1/decisions`): the same packs, the same rules, nothing performed (spec 10, roles).
 *
 * In: what would be done and who asks. Out: the decision with its obligations and patched form, after its record is durable.
 * What the host fills (time, tenant, caller, origins, approvals, budget) is never taken from the request.
 */
import { NOTHING } from "../core/amount.ts";
import { type Boundary, dominantEffect, type Effect, type Evaluation, type Obligation } from "../core/decision.ts";
import type { BlobId, Ids, RunUid, TenantUid } from "../core/ids.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { SecretFault } from "../core/secret.ts";
import type { StepSpec } from "../core/step.ts";
import type { Principal, TenantAuthority } from "../core/tenant.ts";
import type { TenantVault } from "../core/vault.ts";
import { buildDecision } from "../evidence/decision-record.ts";
import { type EvidenceRecord, evaluationMembers } from "../evidence/statement.ts";
import type { ToolAnswer } from "../executors/tool/open-tools.ts";
import { beginContext, type StepContext } from "./context.ts";
import { type DecideDeps, decideWithPack } from "./decide-with-pack.ts";
import { guardrailPacks, makeFindPackFault } from "./guardrail-packs.ts";
import type { LeasedStep } from "./leased-step.ts";
import { inputPayload, outputPayload, type Payload } from "./payload.ts";
import { refuseInputs, type StepToolDeps } from "./step-tool.ts";

export interface DecideRequestDeps extends DecideDeps, Pick<StepToolDeps, "validateInputs"> {
  readonly ids: Ids;
  /** Signs and stores one decision record; durable when it returns. */
  readonly keep: (tenantUid: TenantUid, record: EvidenceRecord) => Promise<void>;
}

export interface DecisionQuestion {
  readonly tenantUid: TenantUid;
  readonly authority: TenantAuthority;
  readonly vault: TenantVault;
  readonly caller: Principal;
  /** Of a step of type `tool`: bound to the newest version. */
  readonly spec: StepSpec;
  /** That version; undefined for a step of another type. */
  readonly tool: ToolAnswer | { readonly ok: false; readonly reason: SecretFault["reason"] } | undefined;
  readonly boundary: Boundary;
  /** Asked at the egress boundaries. */
  readonly output: JsonValue | undefined;
  readonly labels: JsonObject;
}

export interface DecisionAnswer {
  readonly recordId: string;
  readonly effect: Effect;
  readonly reasons: readonly string[];
  /** The evaluations as records write them. */
  readonly written: readonly JsonObject[];
  readonly obligations: readonly Obligation[];
  /** Present when something was patched. */
  readonly inputs: JsonObject | undefined;
  readonly output: JsonValue | undefined;
}

/** Decides, records, answers: in this order. */
export function makeDecideRequest(deps: DecideRequestDeps): (question: DecisionQuestion) => Promise<DecisionAnswer> {
  const findPackFault = makeFindPackFault(deps.packs);
  return async (question) => {
    const context = contextOf(question);
    const start: Payload =
      question.output === undefined
        ? inputPayload(context.inputs, context.inputsText, context.execution)
        : outputPayload(question.output);
    const evaluations: Evaluation[] = [];
    const obligations: Obligation[] = [];
    const refused: string[] = [];
    let payload = start;
    let packInput = "";
    const unfit = refuseArguments(deps, question, context);
    if (unfit !== undefined) refused.push(unfit);
    for (const packName of unfit === undefined ? packNames(question) : []) {
      const verdict = decideWithPack(deps, context, {
        packName,
        stage: "decide",
        boundary: question.boundary,
        payload,
        approvals: [],
      });
      evaluations.push(...verdict.evaluations);
      obligations.push(...(verdict.decided?.decision.obligations ?? []));
      packInput = verdict.packInput;
      payload = verdict.payload;
      if (verdict.refusal !== undefined) {
        refused.push(...verdict.refusal.reasons);
        break;
      }
      const { place } = payload;
      const patched = verdict.isPatched && place === "inputs" ? { ...context, inputs: payload.inputs } : undefined;
      if (patched !== undefined && refuseArguments(deps, question, patched) !== undefined) {
        refused.push("inputs_invalid_after_patch");
        break;
      }
    }
    const fault = findPackFault(question.spec);
    if (fault !== undefined) refused.push(fault.reason);
    if (question.tool?.ok === false) refused.push(question.tool.reason);
    if (evaluations.length === 0 && unfit === undefined) refused.push("no_pack");
    const effect = refused.length > 0 ? "deny" : dominantEffect(evaluations.map((evaluation) => evaluation.effect));
    const record = buildDecision({
      tenantUid: question.tenantUid,
      decisionUid: deps.ids.uuid(),
      inputCommitment: question.vault.commit(packInput).commitment,
      effect,
      evaluations,
      tool: question.spec.tool,
      atMs: deps.databaseClock.nowMs(),
    });
    await deps.keep(question.tenantUid, record);
    const isPatched = effect !== "deny" && payload.text !== start.text;
    return {
      recordId: record.id,
      effect,
      reasons: [...new Set([...evaluations.flatMap((evaluation) => evaluation.reasons), ...refused])],
      written: evaluations.map(evaluationMembers),
      obligations,
      inputs: isPatched && payload.place === "inputs" ? payload.inputs : undefined,
      output: isPatched && payload.place === "output" ? payload.output : undefined,
    };
  };
}

/**
 * Why a tool's arguments do not let it run, as stage 5 says it before any pack decides. At an egress boundary the question is
 * what came out, of a call that was checked when it went in.
 */
function refuseArguments(
  deps: Pick<StepToolDeps, "validateInputs">,
  { output }: DecisionQuestion,
  context: StepContext,
): string | undefined {
  return context.tool === undefined || output !== undefined ? undefined : refuseInputs(deps, context)?.reason;
}

/** The floor, the step's own packs, the runtime pack; a flag that nothing enforces leaves no pack, which denies. */
function packNames({ authority, spec, output }: DecisionQuestion): readonly string[] {
  const packs = guardrailPacks(authority, spec, output === undefined ? "pre" : "post");
  if (!packs.ok || authority.runtimePack === undefined) return [];
  return [...new Set([...packs.names, authority.runtimePack])];
}

function contextOf({
  tenantUid,
  authority,
  vault,
  caller,
  spec,
  tool,
  boundary,
  labels,
}: DecisionQuestion): StepContext {
  const step: LeasedStep = {
    tenantUid,
    tenantId: authority.tenantId,
    runUid: "" as RunUid,
    stepId: spec.id,
    leaseEpoch: 0,
    attempt: 1,
    errorAttempts: 0,
    lostAttempts: 0,
    isTarget: false,
    spec,
    inputBlob: "" as BlobId,
    checkpoint: undefined,
    hasReferences: false,
    referenced: new Map(),
    referencedRuns: new Map(),
    readyAtMs: 0,
    deadlineAtMs: undefined,
    lastRecord: undefined,
    authorityVersion: authority.version,
    run: {
      id: undefined,
      kind: "dag",
      opId: "",
      labels,
      status: "pending",
      caller,
      trace: undefined,
      timeLimitAtMs: undefined,
      hasBreakpoints: false,
    },
    budget: undefined,
  };
  const context = beginContext({ step, authority, vault, request: NOTHING });
  return { ...context, tool: tool?.ok === true ? tool.tool : undefined, origins: [{ boundary, source: "user" }] };
}
