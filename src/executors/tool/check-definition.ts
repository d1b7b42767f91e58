/**
 * What a tool's definition must be before it is registered, beyond the form that the API checks (spec 09).
 *
 * In: a definition in its canonical form, and who performs it. Out: nothing, or a refusal that names the field.
 * Not here: versions and storing (tenancy/).
 */
import { StepgateError } from "../../core/errors.ts";
import { TOOL_TYPE, type ToolDefinition } from "../../core/tool.ts";
import type { ListedExecutor } from "../registry.ts";
import { checkConfig } from "./check-config.ts";
import { checkSecrets } from "./check-secrets.ts";
import { makeCompileSchema } from "./compile-schema.ts";

/** An author sends the same schema a few times over, with another config. */
const MAX_SCHEMAS = 16;

export type CheckDefinition = (definition: ToolDefinition) => void;

/** Makes the check. @throws {StepgateError} (the check) FIELD_INVALID {field, reason}, TOOL_SECRET_PLACE. */
export function makeCheckDefinition(
  executors: () => readonly Pick<ListedExecutor, "type" | "inputsSchema" | "secrets">[],
): CheckDefinition {
  const compile = makeCompileSchema(MAX_SCHEMAS);
  return (definition) => {
    const { name, executor, config, input_schema: argumentsSchema, output_schema: outputSchema, limits } = definition;
    const served = executors();
    // a token names tool and executor side by side
    if (served.some(({ type }) => type === name)) throw refusal("/name", "the name of a step type");
    const found = served.find(({ type }) => type === executor && type !== TOOL_TYPE);
    if (found === undefined) throw refusal("/executor", "no such executor");
    // the executor is called once for an attempt, and its token is good for one call (spec 10)
    if ((limits.calls ?? 1) !== 1) throw refusal("/limits/calls", "a step makes one call");
    if (argumentsSchema["type"] !== "object") throw refusal("/input_schema/type", "arguments are an object");
    compile(argumentsSchema, "/input_schema");
    if (outputSchema !== undefined) compile(outputSchema, "/output_schema");
    checkConfig(config, { inputsSchema: found.inputsSchema, argumentsSchema });
    checkSecrets(definition, found);
  };
}

function refusal(field: string, reason: string): StepgateError {
  return new StepgateError("FIELD_INVALID", { field, reason });
}
