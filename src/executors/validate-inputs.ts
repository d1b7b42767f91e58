/**
 * Checks inputs against the adapters' own JSON Schemas, compiled once at start.
 *
 * Out: pointers of what is wrong, never values. Not here: settings (registry.ts).
 */
import Schema from "typebox/schema";
import type { JsonObject } from "../core/json.ts";
import type { ListedExecutor } from "./registry.ts";

/** Pointers of what is wrong with inputs of this type, empty when they fit; undefined for a type that nobody serves. */
export type ValidateInputs = (type: string, inputs: JsonObject) => readonly string[] | undefined;

export function makeValidateInputs(
  executors: readonly Pick<ListedExecutor, "type" | "inputsSchema">[],
): ValidateInputs {
  const validators = new Map(executors.map(({ type, inputsSchema }) => [type, Schema.Compile(inputsSchema)]));
  return (type, inputs) => {
    const validator = validators.get(type);
    if (validator === undefined) return undefined;
    if (validator.Check(inputs)) return [];
    const [, errors] = validator.Errors(inputs);
    return [...new Set(errors.map(({ instancePath }) => instancePath || "/"))];
  };
}
