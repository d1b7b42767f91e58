/**
 * A tool's stored definition, as whatever release of ours wrote it (spec 09).
 *
 * In: a row. Out: the canonical form of today and the digest of what is stored, or no form where one is not sure what was meant:
 * a member that this release does not know could be a restriction. Not here: what may be registered (executors/tool/).
 */
import { canonicalDigest } from "../core/canonical-json.ts";
import { type Digest, NAME_PATTERN } from "../core/ids.ts";
import { ISOLATION_LEVELS } from "../core/isolation.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { SECRET_PLACES } from "../core/secret.ts";
import { isEffectClass, type ToolDefinition } from "../core/tool.ts";
import type { ToolRow } from "./ports.ts";

const NAME = new RegExp(NAME_PATTERN);
const isObject = (value: JsonValue | undefined): boolean => isJsonObject(value);
const isText = (value: JsonValue | undefined): boolean => typeof value === "string";

/** What each member must be, once those that an earlier release left out are filled in. */
const FORMS: Readonly<Record<string, (value: JsonValue | undefined) => boolean>> = {
  config: isObject,
  defaults: isAmounts,
  effects: isEffectClass,
  egress: (value) => value === undefined || (isJsonArray(value) && value.every(isText)),
  executor: isText,
  idempotent: (value) => typeof value === "boolean",
  input_schema: isObject,
  limits: isAmounts,
  min_isolation: (value) => value === undefined || ISOLATION_LEVELS.some((level) => level === value),
  name: isText,
  output_schema: (value) => value === undefined || isJsonObject(value),
  secrets: (value) => value === undefined || (isJsonArray(value) && value.every(isToolSecret)),
  version: (value) => typeof value === "number",
};
const FILLED_IN: JsonObject = { effects: "write", idempotent: false, defaults: {}, limits: {} };

type Stored = Pick<ToolRow, "name" | "version" | "definition">;

/** The definition of one row; undefined where it is not sure what was meant. */
export function readDefinition({ name, version, definition }: Stored): ToolDefinition | undefined {
  const whole: JsonObject = { ...FILLED_IN, name, version, ...definition };
  const isRead =
    whole["name"] === name &&
    whole["version"] === version &&
    Object.keys(whole).every((key) => Object.hasOwn(FORMS, key)) &&
    Object.entries(FORMS).every(([key, fits]) => fits(Object.hasOwn(whole, key) ? whole[key] : undefined));
  if (!isRead) return undefined;
  const { secrets, ...form } = whole;
  // an earlier release wrote a list without any out
  const isAsking = secrets !== undefined && isJsonArray(secrets) && secrets.length > 0;
  return (isAsking ? whole : form) as JsonObject & ToolDefinition;
}

/** The digest of what is stored, which must be the one that the row and its steps name. */
export function storedDigest({ name, definition }: Stored): Digest {
  return canonicalDigest({ name, ...definition });
}

function isToolSecret(value: JsonValue): boolean {
  return (
    isJsonObject(value) &&
    Object.keys(value).length === 3 &&
    isText(value["name"]) &&
    typeof value["ref"] === "string" &&
    NAME.test(value["ref"]) &&
    SECRET_PLACES.some((place) => place === value["as"])
  );
}

function isAmounts(value: JsonValue | undefined): boolean {
  return (
    isJsonObject(value) &&
    Object.values(value).every((amount) => typeof amount === "number" && Number.isSafeInteger(amount) && amount >= 0)
  );
}
