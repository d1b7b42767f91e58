/**
 * What a tenant can see, walked: every text of every answer to its GET routes, and values for path parameters from lists.
 *
 * In: the OpenAPI document and the running product. Out: texts. New routes join by themselves. Not here: what is there to
 * see (live-world.ts).
 */
import type { JsonValue } from "../../src/core/json.ts";
import type { LiveAnswer, LiveApi, LiveOperation } from "./live-api.ts";
import { resolve, type Schema } from "./schema-arbitrary.ts";

export type Known = Readonly<Record<string, readonly string[]>>;

interface Parameter {
  readonly in?: string;
  readonly name?: string;
  readonly schema?: Schema;
}

/** The operation's own parameters in one place of the request, with references followed. */
export function parametersOf(
  { operation }: LiveOperation,
  place: string,
  document: object,
): readonly Required<Parameter>[] {
  return (operation.parameters ?? [])
    .map((parameter) => (parameter.$ref === undefined ? parameter : resolve(parameter.$ref, document)) as Parameter)
    .filter((parameter): parameter is Required<Parameter> => parameter.in === place && parameter.schema !== undefined);
}

/** Names of the path's parameters, in order. */
export function pathNames(path: string): readonly string[] {
  return [...path.matchAll(/\{([a-z_]+)\}/g)].map(([, name]) => name ?? "");
}

/**
 * Values for parameters that nobody named: from the list that the path goes through, its members that say the
 * parameter's name. @throws {TypeError} for a parameter without any: then a test would pass over its routes.
 */
export async function completeKnown(api: LiveApi, known: Known, key: string): Promise<Known> {
  const all: Record<string, readonly string[]> = { ...known };
  for (const { path } of api.operations) {
    for (const name of pathNames(path)) {
      if (all[name] !== undefined) continue;
      const list = path.slice(0, path.indexOf(`/{${name}}`));
      const { json } = await api.send({ path: list, key });
      const items = Array.isArray(json?.["items"])
        ? (json["items"] as readonly Readonly<Record<string, unknown>>[])
        : [];
      const values = items
        .map((item) => item[`${name}_uid`] ?? item[`${name}_id`] ?? item["id"] ?? item["name"])
        .filter((value) => typeof value === "string");
      if (values.length === 0) throw new TypeError(`no value of {${name}} is known, and ${list} lists none`);
      all[name] = values;
    }
  }
  return all;
}

/** The path with a value for each of its parameters. */
export function fill(path: string, values: Readonly<Record<string, string>>): string {
  return path.replace(/\{([a-z_]+)\}/g, (_all, name: string) => encodeURIComponent(values[name] ?? "none"));
}

/** The path with each combination of known values; some of them lead somewhere. */
export function fillKnown(path: string, known: Known): readonly string[] {
  const combine = (names: readonly string[]): readonly Readonly<Record<string, string>>[] => {
    const [name, ...rest] = names;
    if (name === undefined) return [{}];
    return (known[name] ?? []).flatMap((value) => combine(rest).map((values) => ({ ...values, [name]: value })));
  };
  return combine(pathNames(path)).map((values) => fill(path, values));
}

/** Every text in every answer to the routes that only read, asked with all known values. */
export async function textsSeenBy(api: LiveApi, key: string, known: Known): Promise<ReadonlySet<string>> {
  const texts = new Set<string>();
  for (const { method, path } of api.operations) {
    if (method !== "GET" || path === "/v1/openapi.json" || path === "/metrics") continue;
    for (const target of fillKnown(path, known)) {
      const answer = await api.send({ path: target, key, headers: { accept: "application/json" } });
      if (answer.status < 400) for (const text of textsOf(answer)) texts.add(text);
    }
  }
  return texts;
}

function textsOf({ json, text }: LiveAnswer): readonly string[] {
  if (json !== undefined) return walk(json);
  try {
    return walk(JSON.parse(text) as JsonValue);
  } catch (caught) {
    if (caught instanceof SyntaxError) return [];
    throw caught;
  }
}

function walk(value: JsonValue): readonly string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(walk);
}
