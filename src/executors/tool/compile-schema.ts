/**
 * Schemas of tools as checks of values: JSON Schema 2020-12 by Ajv, nothing converted, dropped or filled in.
 *
 * In: a schema. Out: a check that names the first place where a value does not fit; a value that would take too long to hold
 * against it fits nowhere. `format` is an annotation, as the standard has it by default. Not here: bounds (check-schema.ts).
 */
import { Ajv2020 } from "ajv/dist/2020.js";
import { canonicalJson } from "../../core/canonical-json.ts";
import { StepgateError } from "../../core/errors.ts";
import type { JsonObject, JsonValue } from "../../core/json.ts";
import { checkSchema } from "./check-schema.ts";
import { makeLinearPattern } from "./linear-pattern.ts";

/** The pointer of the first place that does not fit, `""` for the value itself; undefined when all fits. */
export type SchemaCheck = (value: JsonValue) => string | undefined;

/** Compiles, or throws FIELD_INVALID {field} for what is no schema of the dialect, or beyond the bounds of check-schema.ts. */
export type CompileSchema = (schema: JsonObject, field: string) => SchemaCheck;

/** Bytes of a value times weight of its schema: half a second (10.3 s for 1 MiB against 900 alternatives an item). */
const MAX_WORK = 50_000_000;
/** At this weight the largest payload is within it (spec 01: 1 MiB), and need not be measured. */
const LIGHT = 48;

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
    const weight = checkSchema(schema, field);
    try {
      const validate = ajv.compile(schema);
      return (value) => {
        if (weight > LIGHT && Buffer.byteLength(canonicalJson(value)) * weight > MAX_WORK) return "";
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
