/**
 * Binding steps to versions of tools, once, when a run is submitted (spec 09): what is registered later changes nothing of it.
 *
 * In: a plan and what is registered now, or the event that says what was. Out: the steps with their version, and with the
 * definition's defaults where they name none. Not here: looking tools up (start-run.ts), definitions (executors/tool/).
 */
import type { RunEvent } from "../core/event.ts";
import type { Digest, StepId } from "../core/ids.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import type { StepExecution, StepPolicy, StepSpec } from "../core/step.ts";
import { TOOL_TYPE, type ToolDefaults, type ToolPin, toolMembers } from "../core/tool.ts";
import { malformed, objectOf } from "./event-data.ts";
import type { NormalizedRun, Plan } from "./normalize-submission.ts";

/** Registered now, by name. */
export type ToolPins = ReadonlyMap<string, ToolPin>;

/** The names that the steps of a run may mean: a step's type may stand in the manifest it names. */
export function toolNames({ plan, inputs }: Pick<NormalizedRun, "plan" | "inputs">): readonly string[] {
  const given = plan?.steps.flatMap((step) => (step.type === TOOL_TYPE ? [step.inputs] : [])) ?? [];
  const names = [...given, ...Object.values(inputs ?? {})].map(({ tool }) => tool);
  return [...new Set(names.filter((name) => typeof name === "string"))];
}

/** The plan with every step of type `tool` bound, but for those that name no registered tool. */
export function pinTools(plan: Plan, pins: ToolPins): Plan {
  if (!plan.steps.some(({ type }) => type === TOOL_TYPE)) return plan;
  return { ...plan, steps: plan.steps.map((step) => pinTool(step, pinOf(step, pins))) };
}

function pinOf({ type, inputs }: StepSpec, pins: ToolPins): ToolPin | undefined {
  const name = type === TOOL_TYPE ? inputs["tool"] : undefined;
  return typeof name === "string" ? pins.get(name) : undefined;
}

/** A step bound to a version. */
export function pinTool<Step extends Pick<StepSpec, "execution" | "policy" | "tool">>(
  step: Step,
  pin: ToolPin | undefined,
): Step {
  if (pin === undefined) return step;
  const { name, version, digest, defaults } = pin;
  return { ...step, tool: { name, version, digest }, execution: withDefaults(step, defaults) };
}

/** As hints, but only where the step says nothing: its own cap stands above what the tool usually takes (spec 03). */
function withDefaults(
  { execution, policy }: { readonly execution: StepExecution; readonly policy: StepPolicy },
  defaults: ToolDefaults,
): StepExecution {
  const { budget } = policy;
  const tokens = execution.cost_hint?.tokens ?? (budget?.tokens === undefined ? defaults.tokens : undefined);
  const usdMicros =
    execution.cost_hint?.usd_micros ?? (budget?.usd_micros === undefined ? defaults.usd_micros : undefined);
  const hint = {
    ...(tokens === undefined ? {} : { tokens }),
    ...(usdMicros === undefined ? {} : { usd_micros: usdMicros }),
  };
  return {
    ...execution,
    deadline_ms: execution.deadline_ms || (defaults.deadline_ms ?? 0),
    ...(Object.keys(hint).length === 0 ? {} : { cost_hint: hint }),
  };
}

/** What `run_submitted` says of one step's tool. */
export function pinMembers(pin: ToolPin): JsonObject {
  return { ...toolMembers(pin), defaults: { ...pin.defaults } };
}

/** Reads a step's binding back from `run_submitted`. @throws {StepgateError} INVALID_LOG malformed_data. */
export function readPin(submitted: RunEvent, stepId: StepId): ToolPin | undefined {
  const tools = objectOf(submitted, "tools");
  const pin = Object.hasOwn(tools, stepId) ? tools[stepId] : undefined;
  if (pin === undefined) return undefined;
  const { name, version, digest, defaults } = isJsonObject(pin) ? pin : {};
  if (typeof name !== "string" || typeof version !== "number" || typeof digest !== "string" || !isJsonObject(defaults))
    throw malformed(submitted, "tools");
  return { name, version, digest: digest as Digest, defaults: readDefaults(defaults) };
}

/** Amounts of a stored definition or event; what is no count is not there. */
export function readDefaults({ tokens, usd_micros: usdMicros, deadline_ms: deadlineMs }: JsonObject): ToolDefaults {
  return {
    ...(isCount(tokens) ? { tokens } : {}),
    ...(isCount(usdMicros) ? { usd_micros: usdMicros } : {}),
    ...(isCount(deadlineMs) ? { deadline_ms: deadlineMs } : {}),
  };
}

function isCount(value: JsonValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
