/**
 * Schemas of tools as checks of values: JSON Schema 2020-12 by Ajv, nothing converted, dropped or filled in.
 *
 * In: a schema. Out: a check that names the first place where a value does not fit, and ends when it has taken more work than
 * one check may. `format` is an annotation, as the standard has it by default. Not here: bounds of schemas (check-schema.ts).
 */
import { _, Ajv2020, type KeywordCxt, type Options } from "ajv/dist/2020.js";
import { canonicalDigest } from "../../core/canonical-json.ts";
import { StepgateError } from "../../core/errors.ts";
import type { Digest } from "../../core/ids.ts";
import type { JsonObject, JsonValue } from "../../core/json.ts";
import { keepNewest } from "../../core/keep-newest.ts";
import { checkSchema } from "./check-schema.ts";
import { makePatterns } from "./linear-pattern.ts";
import { stepsOf } from "./schema-steps.ts";
import { mapSchemas } from "./subschemas.ts";
import { MAX_STEPS, makeWork, type Work } from "./work.ts";

/**
 * The pointer of the first place that does not fit, `""` for the value itself; undefined when all fits.
 *
 * @throws {StepgateError} TOOL_WORK_EXCEEDED when it takes too long to find out.
 */
export type SchemaCheck = (value: JsonValue) => string | undefined;

/** Compiles, or throws FIELD_INVALID {field} for what is no schema of the dialect, or beyond the bounds of check-schema.ts. */
export type CompileSchema = (schema: JsonObject, field: string) => SchemaCheck;

const OPTIONS: Options = {
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
};

/** No keyword of the dialect, and refused in what an operator sends. */
const COUNTED = "x-counted";

/** Keeps the checks of the `maxSchemas` schemas that were compiled or asked for last, and nothing of any other. */
export function makeCompileSchema(maxSchemas: number): CompileSchema {
  const dialect = new Ajv2020(OPTIONS);
  const known = new Map<Digest, SchemaCheck>();
  return (schema, field) => {
    const digest = canonicalDigest(schema);
    const check = known.get(digest) ?? compile(dialect, schema, field);
    keepNewest(known, digest, check, maxSchemas);
    return check;
  };
}

function compile(dialect: Ajv2020, schema: JsonObject, field: string): SchemaCheck {
  checkSchema(schema, field);
  const none = (cause?: unknown): StepgateError =>
    new StepgateError("FIELD_INVALID", { field, reason: "no schema of JSON Schema 2020-12" }, { cause });
  if (dialect.validateSchema(schema) !== true) throw none();
  const work = makeWork(MAX_STEPS);
  try {
    const validate = makeAjv(work).compile(counted(schema));
    return (value) => {
      work.begin();
      if (validate(value) === true) return undefined;
      const [fault] = validate.errors ?? [];
      const missing: unknown = fault?.keyword === "required" ? fault.params["missingProperty"] : undefined;
      return `${fault?.instancePath ?? ""}${typeof missing === "string" ? `/${missing}` : ""}`;
    };
  } catch (cause) {
    throw none(cause);
  }
}

/** One for each schema: it keeps what it has compiled, whatever is removed from it. */
function makeAjv(work: Work): Ajv2020 {
  const regExp = Object.assign(makePatterns(work), { code: "linearPattern" });
  const ajv = new Ajv2020({ ...OPTIONS, meta: false, validateSchema: false, code: { regExp } });
  ajv.addKeyword({
    keyword: COUNTED,
    schemaType: "boolean",
    // before all that does what is counted
    before: "$ref",
    code: ({ gen, data, parentSchema }: KeywordCxt) => {
      const steps = stepsOf(parentSchema as JsonObject);
      const spend = gen.scopeValue("func", { ref: (value: JsonValue) => work.spend(steps(value)) });
      gen.code(_`${spend}(${data})`);
    },
  });
  return ajv;
}

/** Every schema that says something counts the values that are held against it. */
function counted(schema: JsonObject): JsonObject {
  const mapped = mapSchemas(schema, (inside) =>
    Object.keys(inside).length === 0 ? inside : { ...inside, [COUNTED]: true },
  );
  return mapped as JsonObject;
}
