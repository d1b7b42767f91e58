/**
 * Checks inputs and settings against the adapters' own JSON Schemas (2020-12), compiled once at start.
 *
 * Out: pointers of what is wrong, never values. Unknown schemas do not load, so nothing goes unchecked.
 */
import Ajv2020, { type ValidateFunction } from "ajv/dist/2020.js";
import type { JsonObject } from "../core/json.ts";
import type { ExecutorAdapter } from "./contract.ts";

export interface InputValidator {
  /** Pointers of what is wrong with inputs of this type; undefined for a type that nobody serves. */
  readonly inputs: (type: string, inputs: JsonObject) => readonly string[] | undefined;
  readonly settings: (type: string, settings: JsonObject) => readonly string[] | undefined;
}

export function makeInputValidator(
  adapters: readonly Pick<ExecutorAdapter, "type" | "inputsSchema" | "settingsSchema">[],
): InputValidator {
  const ajv = new Ajv2020.default({
    strict: true,
    strictTypes: false,
    allErrors: false,
    coerceTypes: false,
    useDefaults: false,
    removeAdditional: false,
  });
  const compile = (key: "inputsSchema" | "settingsSchema") =>
    new Map(adapters.map((adapter) => [adapter.type, ajv.compile(adapter[key])] as const));
  const inputs = compile("inputsSchema");
  const settings = compile("settingsSchema");
  return {
    inputs: (type, value) => faultsOf(inputs.get(type), value),
    settings: (type, value) => faultsOf(settings.get(type), value),
  };
}

function faultsOf(validate: ValidateFunction | undefined, value: JsonObject): readonly string[] | undefined {
  if (validate === undefined) return undefined;
  if (validate(value)) return [];
  return (validate.errors ?? []).map((error) => error.instancePath || "/");
}
