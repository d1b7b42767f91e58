/**
 * A tool's arguments put into its `config`: what the executor gets as its inputs.
 *
 * A hole is an object with one member: `{"$argument": "<name>"}` takes one argument, `{"$arguments": true}` all of them,
 * `{"$url": "https://host/a/{name}"}` a URL with arguments percent-encoded into path and query. Filled once: an argument
 * that looks like a hole is data. Not here: whether arguments and inputs fit their schemas (opened-tool.ts).
 */
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../../core/json.ts";
import { fillUrl } from "./url-template.ts";

export const HOLES = ["$argument", "$arguments", "$url"] as const;

/**
 * The inputs, or undefined when an argument cannot stand where the config wants it.
 *
 * An argument that is missing leaves its member out. Out of a list nothing is left: what comes after would stand in its place.
 */
export function bindArguments(config: JsonObject, args: JsonObject): JsonObject | undefined {
  const bound = fill(config, args);
  return bound.kind === "value" && isJsonObject(bound.value) ? bound.value : undefined;
}

type Filled = { readonly kind: "value"; readonly value: JsonValue } | { readonly kind: "absent" | "misfit" };

const ABSENT: Filled = { kind: "absent" };
const MISFIT: Filled = { kind: "misfit" };

function fill(config: JsonValue, args: JsonObject): Filled {
  if (isJsonArray(config)) return fillArray(config, args);
  if (!isJsonObject(config)) return { kind: "value", value: config };
  const { $argument: name, $arguments: all, $url: url } = config;
  if (typeof name === "string") return argument(args, name);
  if (all === true) return { kind: "value", value: args };
  if (typeof url === "string") {
    const value = fillUrl(url, (key) => (Object.hasOwn(args, key) ? args[key] : undefined));
    return value === undefined ? MISFIT : { kind: "value", value };
  }
  const entries: [string, JsonValue][] = [];
  for (const [key, member] of Object.entries(config)) {
    const filled = fill(member, args);
    if (filled.kind === "misfit") return MISFIT;
    if (filled.kind === "value") entries.push([key, filled.value]);
  }
  return { kind: "value", value: Object.fromEntries(entries) };
}

function fillArray(config: readonly JsonValue[], args: JsonObject): Filled {
  const items: JsonValue[] = [];
  for (const item of config) {
    const filled = fill(item, args);
    if (filled.kind !== "value") return MISFIT;
    items.push(filled.value);
  }
  return { kind: "value", value: items };
}

function argument(args: JsonObject, name: string): Filled {
  const value = Object.hasOwn(args, name) ? args[name] : undefined;
  return value === undefined ? ABSENT : { kind: "value", value };
}
