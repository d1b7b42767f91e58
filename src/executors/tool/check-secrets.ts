/**
 * What a tool may ask to be handed, and whether it may go with a call (spec 09).
 *
 * In: a definition and who performs it; a bound call. Out: nothing, or a refusal. Not here: whether the secret is there
 * (tenancy/read-secrets.ts), its value.
 */
import { type ErrorDetail, StepgateError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import type { StepSpec } from "../../core/step.ts";
import type { ToolDefinition } from "../../core/tool.ts";
import type { ExecutorAdapter } from "../contract.ts";

type Asked = Pick<ToolDefinition, "secrets" | "config">;
type Performer = Pick<ExecutorAdapter, "type" | "secrets">;

/**
 * Checks names and places of the secrets that a definition asks for.
 *
 * @throws {StepgateError} TOOL_SECRET_PLACE where its executor takes none there, FIELD_INVALID {field, reason} for a name.
 */
export function checkSecrets({ secrets = [], config }: Asked, { type, secrets: use }: Performer): void {
  const taken = new Set<string>();
  for (const [index, { name, as }] of secrets.entries()) {
    const at = `/secrets/${index}`;
    if (use === undefined || use.as !== as) {
      const takes: ErrorDetail = use === undefined ? {} : { takes: use.as };
      throw new StepgateError("TOOL_SECRET_PLACE", { field: `${at}/as`, executor: type, as, ...takes });
    }
    const fault = use.nameFault(name);
    if (fault !== undefined) throw refusal(`${at}/name`, fault);
    if (taken.has(use.nameOf(name))) throw refusal(`${at}/name`, "named twice");
    if (use.namesIn(config).includes(use.nameOf(name))) throw refusal(`${at}/name`, "the config sets it too");
    taken.add(use.nameOf(name));
  }
}

/** Codes of why a tool's secrets may not go with a bound call; empty when they may, or there are none. */
export function secretRefusals(
  { secrets: use }: Performer,
  { secrets = [] }: Asked,
  bound: StepSpec,
  settings: JsonObject,
): readonly string[] {
  if (secrets.length === 0) return [];
  if (use === undefined) return ["secret_not_taken"];
  // an argument may fill in headers or variables whole: a caller's value in a secret's place is another call
  const given = use.namesIn(bound.inputs);
  const isTaken = secrets.some(({ name }) => given.includes(use.nameOf(name)));
  return [...(isTaken ? ["secret_name_taken"] : []), ...use.refusals(bound, settings)];
}

function refusal(field: string, reason: string): StepgateError {
  return new StepgateError("FIELD_INVALID", { field, reason });
}
