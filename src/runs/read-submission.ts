/**
 * Checks a parsed body against a submission's schema and says which field is wrong.
 *
 * In: strict JSON (core/parse-json.ts). Out: the same value, typed. Routes may check with their own validator and the
 * same schema; other ways in use this one. Not here: defaults (normalize-submission.ts), the plan (plan.ts).
 */
import type { Static, TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { StepgateError } from "../core/errors.ts";
import type { JsonValue } from "../core/json.ts";
import type { Submitted } from "./step-submission.ts";

type SchemaError = ReturnType<ReturnType<typeof Compile>["Errors"]>[number];

/**
 * Makes the check of one schema; compiling costs milliseconds, so make it once.
 *
 * @throws {StepgateError} (the check) FIELD_INVALID with `field` (RFC 6901 pointer) and `reason`; never a value.
 */
export function makeReadSubmission<S extends TSchema>(schema: S): (body: JsonValue) => Submitted<Static<S>> {
  const validator = Compile(schema);
  return (body) => {
    if (validator.Check(body)) return body as Submitted<Static<S>>;
    throw fieldInvalid(validator.Errors(body));
  };
}

function fieldInvalid(errors: readonly SchemaError[]): StepgateError {
  // the branches of a union complain one by one before the union does; only where the union stands helps
  const error = errors.find(({ schemaPath }) => !schemaPath.includes("/anyOf/")) ?? errors[0];
  if (error === undefined) return new StepgateError("FIELD_INVALID", { field: "", reason: "not of the right form" });
  return new StepgateError("FIELD_INVALID", { field: error.instancePath, reason: reasonOf(error) });
}

function reasonOf(error: SchemaError): string {
  if (error.keyword === "required") return `missing: ${error.params.requiredProperties.join(", ")}`;
  if (error.keyword === "boolean") return "unknown field";
  return error.keyword === "anyOf" || error.schemaPath.includes("/anyOf/")
    ? "none of the accepted values or forms"
    : error.message;
}
