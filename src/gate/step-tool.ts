/**
 * The tool of a step: opened once at the beginning of stage 5, and what the other stages ask of it.
 *
 * In: the context and the version that its step is bound to. Out: the context with the tool, or why there is none; and schema,
 * checks, adapter and limits, which are the step type's own for every other step. Not here: definitions (executors/tool/).
 */
import type { Obligation } from "../core/decision.ts";
import { isStepgateError, StepgateError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import { isEffectClass, TOOL_TYPE } from "../core/tool.ts";
import type { ExecutorAdapter } from "../executors/contract.ts";
import type { OpenedTool } from "../executors/tool/opened-tool.ts";
import { goOn, refuse, type StageOutcome, type StepContext } from "./context.ts";
import type { Secrets, Tools } from "./ports.ts";

export interface StepToolDeps {
  readonly tools: Tools;
  readonly secrets: Secrets;
  /** Checks resolved inputs against the adapter's schema; field pointers of what is wrong, or undefined for an unknown type. */
  readonly validateInputs: (type: string, inputs: JsonObject) => readonly string[] | undefined;
}

/**
 * Opens the tool of a step that has one, and refuses to do again what must not be done twice.
 *
 * @throws {StepgateError} ANSWER_MALFORMED for an answer about another tool.
 */
export async function openStepTool({ tools, secrets }: StepToolDeps, context: StepContext): Promise<StageOutcome> {
  const { spec, tenantUid } = context.step;
  if (spec.type !== TOOL_TYPE) return goOn(context);
  if (spec.tool === undefined) return refuse(context, "guardrails", "no_executor", ["tool_not_registered"]);
  const answer = await tools.open(tenantUid, spec.tool);
  if (answer?.ok === false && typeof answer.reason === "string")
    return refuse(context, "guardrails", "no_executor", [answer.reason]);
  if (answer?.ok !== true || !isTool(answer.tool, spec.tool.name))
    throw new StepgateError("ANSWER_MALFORMED", { part: "tools" });
  const opened = { ...context, tool: answer.tool };
  if (isInDoubt(opened, answer.tool)) return refuse(opened, "guardrails", "lease_exhausted", ["attempt_in_doubt"]);
  return answer.tool.secrets.length === 0 ? goOn(opened) : takeSecrets(secrets, opened, answer.tool);
}

/** A tool that ran without what it asks for would do another thing. */
async function takeSecrets(
  secrets: Secrets,
  context: StepContext,
  { secrets: wanted }: OpenedTool,
): Promise<StageOutcome> {
  const answer = await secrets.take(context.step.tenantUid, wanted);
  if (answer?.ok === false && typeof answer.reason === "string")
    return refuse(context, "guardrails", "no_executor", [answer.reason], { ref: answer.ref });
  if (answer?.ok !== true || typeof answer.hand !== "function")
    throw new StepgateError("ANSWER_MALFORMED", { part: "secrets" });
  return goOn({ ...context, secrets: answer.hand });
}

/** A lost attempt may have had its effect: nobody was there any more to see it. */
function isInDoubt({ step }: StepContext, { effects, isIdempotent }: OpenedTool): boolean {
  return step.lostAttempts > 0 && effects === "write" && !isIdempotent;
}

function isTool(tool: OpenedTool | undefined, name: string): boolean {
  return (
    tool?.name === name &&
    typeof tool.inputFaults === "function" &&
    typeof tool.boundText === "function" &&
    typeof tool.adapter?.execute === "function" &&
    Array.isArray(tool.secrets) &&
    isEffectClass(tool.effects) &&
    typeof tool.isIdempotent === "boolean"
  );
}

/** Why a step's inputs do not let it run. */
export interface InputRefusal {
  readonly errorKind: "no_executor" | "invalid_request";
  readonly reason: "no_executor" | "inputs_invalid" | "inputs_too_complex";
  /** Of what is wrong. */
  readonly pointers: readonly string[];
}

/** What is wrong with the inputs as they would run now; undefined when they fit. */
export function refuseInputs(
  deps: Pick<StepToolDeps, "validateInputs">,
  context: StepContext,
): InputRefusal | undefined {
  try {
    const pointers = inputFaults(deps, context);
    if (pointers === undefined) return { errorKind: "no_executor", reason: "no_executor", pointers: [] };
    return pointers.length === 0 ? undefined : { errorKind: "invalid_request", reason: "inputs_invalid", pointers };
  } catch (caught) {
    if (!isStepgateError(caught, "TOOL_WORK_EXCEEDED")) throw caught;
    return { errorKind: "invalid_request", reason: "inputs_too_complex", pointers: ["/arguments"] };
  }
}

function inputFaults(
  { validateInputs }: Pick<StepToolDeps, "validateInputs">,
  { tool, step, inputs }: StepContext,
): readonly string[] | undefined {
  const faults = tool === undefined ? validateInputs(step.spec.type, inputs) : tool.inputFaults(inputs);
  if (faults !== undefined && !Array.isArray(faults))
    throw new StepgateError("ANSWER_MALFORMED", { part: "validate_inputs" });
  return faults;
}

/** The schema of a step's inputs; keys it does not name are payload. */
export function inputsSchemaOf(
  { inputsSchema }: { readonly inputsSchema: (type: string) => JsonObject | undefined },
  { tool, step }: StepContext,
): JsonObject | undefined {
  return tool === undefined ? inputsSchema(step.spec.type) : tool.inputsSchema;
}

/** Whoever performs the step; for a tool its executor, through the tool. */
export function adapterOf(
  { adapters }: { readonly adapters: (type: string) => ExecutorAdapter | undefined },
  { tool, step }: StepContext,
): ExecutorAdapter | undefined {
  return tool === undefined ? adapters(step.spec.type) : tool.adapter;
}

/** The step type whose settings and isolation floors hold: that of the executor. */
export function executorType({ tool, step }: StepContext): string {
  return tool === undefined ? step.spec.type : tool.adapter.type;
}

/** What the registration lets a token allow at most, in the words of packs. */
export function toolNarrowing({ tool }: StepContext): readonly Obligation[] {
  if (tool === undefined) return [];
  const { limits, egress } = tool;
  return [
    { id: "tool_limits", type: "limit", properties: { ...limits } },
    ...(egress === undefined ? [] : [{ id: "tool_egress", type: "egress", properties: { hosts: egress } } as const]),
  ];
}
