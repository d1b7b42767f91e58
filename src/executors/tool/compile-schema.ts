/**
 * Schemas of tools as checks of values: JSON Schema 2020-12 by Ajv, nothing converted, dropped or filled in.
 *
 * In: a schema within bounds (check-schema.ts). Out: a check that names the first place where a value does not fit.
 * `format` is an annotation, as the standard has it by default. Not here: bounds, and which schemas there are.
 */
import { Ajv2020 } from "ajv/dist/2020.js";
import { StepgateError } from "../../core/errors.ts";
import type { JsonObject, JsonValue } from "../../core/json.ts";
import { makeLinearPattern } from "./linear-pattern.ts";

/** The pointer of the first place that does not fit, `""` for the value itself; undefined when all fits. */
export type SchemaCheck = (value: JsonValue) => string | undefined;

/** Compiles, or throws FIELD_INVALID {field} for what is no schema of the dialect. */
export type CompileSchema = (schema: JsonObject, field: string) => SchemaCheck;

export function makeCompileSchema(): CompileSchema {
  const ajv = new Ajv2020({
    // one fault is enough: looking for all of them is work that the sender would choose
    allErrors: false,
    coerceTypes: false,
    removeAdditional: false,
    useDefaults: false,
    strict: true,
    strictTypes: false,
    strictTuples: false,
    strictRequired: false,
    allowUnionTypes: true,
    validateFormats: false,
    ownProperties: true,
    addUsedSchema: false,
    inlineRefs: false,
    logger: false,
    code: { regExp: Object.assign(makeLinearPattern, { code: "makeLinearPattern" }) },
  });
  return (schema, field) => {
    try {
      const validate = ajv.compile(schema);
      return (value) => {
        if (validate(value) === true) return undefined;
        const [fault] = validate.errors ?? [];
        const missing: unknown = fault?.keyword === "required" ? fault.params["missingProperty"] : undefined;
        return `${fault?.instancePath ?? ""}${typeof missing === "string" ? `/${missing}` : ""}`;
      };
    } catch (cause) {
      throw new StepgateError("FIELD_INVALID", { field, reason: "no schema of JSON Schema 2020-12" }, { cause });
    } finally {
      // it would be kept for ever, and each version of each tool with it
      ajv.removeSchema(schema);
    }
  };
}
