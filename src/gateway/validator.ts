/**
 * Checks requests against their schemas: nothing is converted, dropped or filled in.
 *
 * The first pass stops at the first fault, since a body of megabytes can hold millions; small bodies get a second pass
 * that lists all. JSON Schema 2020-12, the dialect of OpenAPI 3.1. Not here: parsing (read-json.ts), plans (runs/).
 */
import { Ajv2020, type ErrorObject } from "ajv/dist/2020.js";
import type { FastifySchemaCompiler } from "fastify";
import { StepgateError } from "../core/errors.ts";
import { pointerToken } from "../core/pointer-token.ts";
import { type FieldError, FieldErrors } from "./errors.ts";
import { NAMED_SCHEMAS } from "./views/named-schemas.ts";

const MAX_LISTED = 20;
/** Below this length of the body's JSON text every fault is listed. */
const MAX_LISTED_BODY_LENGTH = 65_536;

/** As long as the longest of our own names, with room for a slip. */
const SHOWN_NAME = /^[A-Za-z0-9_.~-]{0,40}$/;

/**
 * Makes the compiler that Fastify calls once per route and part of the request; each schema is compiled at its first
 * request, since a start that compiles all takes a third of a second longer.
 */
export function makeValidatorCompiler(): FastifySchemaCompiler<object> {
  const compilerOf = { first: once(() => makeAjv(false)), all: once(() => makeAjv(true)) };
  return ({ schema, httpPart }) => {
    const isValid = once(() => compilerOf.first().compile(schema));
    const listFaults = once(() => compilerOf.all().compile(schema));
    return (value: unknown) => {
      if (isValid()(value)) return { value };
      // a path that no route's pattern has names nothing, whoever asks
      if (httpPart === "params") return { error: new StepgateError("NOT_FOUND") };
      let faults = isValid().errors;
      if (JSON.stringify(value).length <= MAX_LISTED_BODY_LENGTH) {
        listFaults()(value);
        faults = listFaults().errors ?? faults;
      }
      return { error: fieldErrors(faults ?? [], httpPart ?? "") };
    };
  };
}

/** What is made when it is first asked for, and then kept. */
function once<Made extends object>(make: () => Made): () => Made {
  let made: Made | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

function makeAjv(allErrors: boolean): Ajv2020 {
  const ajv = new Ajv2020({
    allErrors,
    coerceTypes: false,
    removeAdditional: false,
    useDefaults: false,
    strict: true,
    strictTypes: false,
    allowUnionTypes: true,
    formats: { "date-time": isTime },
  });
  for (const schema of NAMED_SCHEMAS) ajv.addSchema(schema);
  return ajv;
}

/** RFC 3339 in UTC with `Z`, of a day that exists. */
function isTime(text: string): boolean {
  if (!/^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,3})?Z$/.test(text)) return false;
  const time = new Date(text);
  return !Number.isNaN(time.getTime()) && time.toISOString().startsWith(text.slice(0, 19));
}

function fieldErrors(faults: readonly ErrorObject[], httpPart: string): StepgateError {
  // the branches of a union complain one by one before the union does; only the union's own words help
  const telling = faults.filter(({ schemaPath }) => !/\/(?:anyOf|oneOf)\//.test(schemaPath));
  const fields = (telling.length > 0 ? telling : faults)
    .slice(0, MAX_LISTED)
    .map((fault) => fieldError(fault, httpPart));
  const [head, ...rest] = fields;
  return head === undefined ? new StepgateError("FIELD_INVALID") : new FieldErrors([head, ...rest]);
}

function fieldError({ instancePath, keyword, params, message }: ErrorObject, httpPart: string): FieldError {
  const path = instancePath.split("/").map(shownName).join("/");
  const base = httpPart === "body" ? path : `/${httpPart}${path}`;
  switch (keyword) {
    case "additionalProperties":
      return { field: `${base}/${escapePointer(String(params["additionalProperty"]))}`, reason: "unknown field" };
    case "required":
      return { field: `${base}/${escapePointer(String(params["missingProperty"]))}`, reason: "missing" };
    default:
      return { field: base, reason: message ?? "not of the right form" };
  }
}

function escapePointer(name: string): string {
  return shownName(pointerToken(name));
}

/** A name as it was sent where it can be a slip of the pen; what is longer or odd may be a value, and no value is shown. */
function shownName(name: string): string {
  return SHOWN_NAME.test(name) ? name : "*";
}
