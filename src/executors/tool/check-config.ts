/**
 * A tool's `config` held against its executor: the executor's own inputs, where a hole may stand in place of any value.
 *
 * In: config, the executor's inputs schema, the schema of the arguments. Out: nothing, or a refusal that names the place.
 * Not here: filling the holes (bind-arguments.ts).
 */
import Schema from "typebox/schema";
import { StepgateError } from "../../core/errors.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../../core/json.ts";
import { HOLES } from "./bind-arguments.ts";
import { mapSchemas } from "./subschemas.ts";
import { urlNames } from "./url-template.ts";

const hole = (name: string, value: JsonObject): JsonObject => ({
  type: "object",
  required: [name],
  properties: { [name]: value },
  additionalProperties: false,
});
const ANY_HOLE = [
  hole("$argument", { type: "string" }),
  hole("$arguments", { const: true }),
  hole("$url", { type: "string" }),
];

/** @throws {StepgateError} FIELD_INVALID {field, reason}. */
export function checkConfig(
  config: JsonObject,
  { inputsSchema, argumentsSchema }: { readonly inputsSchema: JsonObject; readonly argumentsSchema: JsonObject },
): void {
  checkHoles(config, argumentNames(argumentsSchema), "/config");
  const validator = Schema.Compile(withHoles(inputsSchema));
  if (validator.Check(config)) return;
  const [, errors] = validator.Errors(config);
  // the branches of a union complain one by one; the deepest place is where it went wrong
  const deepest = errors.map(({ instancePath }) => instancePath).reduce((a, b) => (b.length > a.length ? b : a), "");
  throw refusal(`/config${deepest}`, "not what the executor takes");
}

function withHoles(schema: JsonObject): JsonObject {
  const mapped = mapSchemas(schema, (inside) => ({ anyOf: [inside, ...ANY_HOLE] }));
  return isJsonObject(mapped) ? mapped : {};
}

function argumentNames({ properties }: JsonObject): ReadonlySet<string> {
  return new Set(isJsonObject(properties) ? Object.keys(properties) : []);
}

/** A slip in a name would leave its member out of every call without a word. */
function checkHoles(config: JsonValue, names: ReadonlySet<string>, at: string): void {
  if (isJsonArray(config)) {
    for (const [index, item] of config.entries()) checkHoles(item, names, `${at}/${index}`);
    return;
  }
  if (!isJsonObject(config)) return;
  if (!HOLES.some((name) => Object.hasOwn(config, name))) {
    for (const [key, member] of Object.entries(config)) checkHoles(member, names, `${at}/${key}`);
    return;
  }
  if (Object.keys(config).length !== 1) throw refusal(at, "a hole has one member");
  const wanted = wantedNames(config);
  if (wanted === undefined) throw refusal(at, "no hole: a name, true, or a URL with {names} after its host");
  for (const name of wanted) if (!names.has(name)) throw refusal(at, "the input_schema names no such argument");
}

function wantedNames({ $argument: name, $arguments: all, $url: url }: JsonObject): readonly string[] | undefined {
  if (typeof name === "string") return [name];
  if (typeof url === "string") return urlNames(url);
  return all === true ? [] : undefined;
}

function refusal(field: string, reason: string): StepgateError {
  return new StepgateError("FIELD_INVALID", { field, reason });
}
