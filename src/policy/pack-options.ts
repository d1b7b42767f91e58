/**
 * Options that a step hands to a pack: whether the pack takes them, and whether they could be a payload.
 *
 * They stand unsealed in the specification, the manifest and the token's digest, so that nothing but numbers, words of the
 * pack's own and short identifiers may be in them. In: a pack's name and options. Out: what is wrong, or nothing.
 * Not here: what an option does (the pack), that the pack decides (gate/).
 */
import Schema from "typebox/schema";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import type { PackManifest } from "./manifest.ts";
import type { LoadedPack } from "./pack.ts";

export type PackUseFault = "no_pack" | "pack_options_invalid";

/** What is wrong with naming this pack with these options; undefined for nothing. */
export type FindPackUseFault = (name: string, options: JsonObject) => PackUseFault | undefined;

/**
 * Names, hosts, media types, patterns of tools: no blanks, no `@`, and no nine digits in a row, so that neither a sentence
 * nor an address, an account or a card number passes.
 */
const IDENTIFIER = /^(?!.*[0-9]{9})[A-Za-z0-9*][A-Za-z0-9._:/*+-]{0,127}$/;
const MAX_ITEMS = 256;

/** Makes the check over the packs that are here now; each schema is compiled once. */
export function makeFindPackUseFault(packs: { get: (name: string) => LoadedPack | undefined }): FindPackUseFault {
  const checks = new WeakMap<LoadedPack, (options: JsonObject) => boolean>();
  return (name, options) => {
    const pack = packs.get(name);
    if (pack === undefined) return "no_pack";
    const check = checks.get(pack) ?? optionsCheck(pack.manifest);
    checks.set(pack, check);
    return isUnsealable(options) && check(options) ? undefined : "pack_options_invalid";
  };
}

/** Whether a value may stand unsealed: numbers, booleans, identifiers, and lists of them, two levels deep at most. */
function isUnsealable(options: JsonObject): boolean {
  return Object.entries(options).every(([name, value]) => IDENTIFIER.test(name) && isPlain(value, 2));
}

function isPlain(value: JsonValue, depth: number): boolean {
  if (typeof value === "number" || typeof value === "boolean") return true;
  if (typeof value === "string") return IDENTIFIER.test(value);
  if (depth === 0 || value === null) return false;
  if (isJsonArray(value)) return value.length <= MAX_ITEMS && value.every((item) => isPlain(item, depth - 1));
  const entries = Object.entries(value);
  return (
    entries.length <= MAX_ITEMS && entries.every(([key, item]) => IDENTIFIER.test(key) && isPlain(item, depth - 1))
  );
}

function optionsCheck({ options: schema }: Pick<PackManifest, "options">): (options: JsonObject) => boolean {
  // a pack that declares none takes none
  if (schema === undefined) return (options) => Object.keys(options).length === 0;
  try {
    const validator = Schema.Compile(schema);
    return (options) => isJsonObject(options) && validator.Check(options);
  } catch {
    // a schema that cannot be read lets nothing pass
    return () => false;
  }
}
