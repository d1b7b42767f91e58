/**
 * A tool's `config` held against its executor: the executor's own inputs, where a hole may stand in place of any value.
 *
 * In: config, the executor's inputs schema, the schema of the arguments. Out: nothing, or a refusal that names the place.
 * Not here: filling the holes (bind-arguments.ts).
 */
import Schema from "typebox/schema";
import { StepgateError } from "../../core/errors.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../../core/json.ts";
import { pointerToken } from "../../core/pointer-token.ts";
import { HOLES } from "./bind-arguments.ts";
import { mapSchemas } from "./subschemas.ts";
import { urlNames } from "./url-template.ts";

/** The inputs may be so many times as large as the arguments. */
const MAX_USES = 16;

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
  checkHoles(config, argumentsOf(argumentsSchema), { at: "/config", isItem: false });
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

interface Arguments {
  readonly named: ReadonlySet<string>;
  readonly required: ReadonlySet<string>;
  /** How often each stands in the config so far. */
  readonly uses: Map<string, number>;
}

function argumentsOf({ properties, required }: JsonObject): Arguments {
  return {
    named: new Set(isJsonObject(properties) ? Object.keys(properties) : []),
    required: new Set(isJsonArray(required) ? required.filter((name) => typeof name === "string") : []),
    uses: new Map(),
  };
}

interface Place {
  readonly at: string;
  /** Right in a list. */
  readonly isItem: boolean;
}

/** A slip in a name would leave its member out of every call without a word. */
function checkHoles(config: JsonValue, given: Arguments, { at, isItem }: Place): void {
  if (isJsonArray(config)) {
    for (const [index, item] of config.entries()) checkHoles(item, given, { at: `${at}/${index}`, isItem: true });
    return;
  }
  if (!isJsonObject(config)) return;
  if (!HOLES.some((name) => Object.hasOwn(config, name))) {
    for (const [key, member] of Object.entries(config))
      checkHoles(member, given, { at: `${at}/${pointerToken(key)}`, isItem: false });
    return;
  }
  if (Object.keys(config).length !== 1) throw refusal(at, "a hole has one member");
  const wanted = wantedNames(config);
  if (wanted === undefined) throw refusal(at, "no hole: a name, true, or a URL with {names} after its host");
  for (const name of wanted) if (!given.named.has(name)) throw refusal(at, "the input_schema names no such argument");
  // without it the items after it would move up: another argument vector, and nobody said so
  if (isItem && !wanted.every((name) => given.required.has(name)))
    throw refusal(at, "an argument in a list must be required by the input_schema");
  // all of them stand for each
  for (const name of config["$arguments"] === true ? ["$arguments"] : wanted) {
    const uses = (given.uses.get(name) ?? 0) + 1;
    given.uses.set(name, uses);
    if (uses > MAX_USES) throw refusal(at, `more than ${MAX_USES} places for one argument`);
  }
}

function wantedNames({ $argument: name, $arguments: all, $url: url }: JsonObject): readonly string[] | undefined {
  if (typeof name === "string") return [name];
  if (typeof url === "string") return urlNames(url);
  return all === true ? [] : undefined;
}

function refusal(field: string, reason: string): StepgateError {
  return new StepgateError("FIELD_INVALID", { field, reason });
}
