/**
 * From a result set to a decision: the one shape a pack may answer with (design §2, spec 01 and 04).
 *
 * In: the module's JSON text. Out: a checked decision and the reasons its manifest does not declare, or the fault.
 * Whatever is not exactly right is a fault and therefore a deny. Not here: whether a patch applies (redaction/).
 */
import type { Effect, Obligation, PackDecision, PatchOperation } from "../core/decision.ts";
import { EFFECTS } from "../core/decision.ts";
import { isStepgateError } from "../core/errors.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { parseJson } from "../core/parse-json.ts";
import { isPointer, type ObligationFault, readObligation } from "./read-obligation.ts";

export type DecisionFault = "undefined" | "several_results" | "not_exact" | ObligationFault;

export type DecisionReading =
  | { readonly ok: true; readonly decision: PackDecision; readonly undeclared: readonly string[] }
  | { readonly ok: false; readonly fault: DecisionFault };

/** What the host records instead of a reason that the manifest does not declare (spec 01). */
const UNDECLARED_REASON = "undeclared_reason";

const DECISION_FIELDS: ReadonlySet<string> = new Set(["effect", "reason", "reasons", "patches", "obligations"]);
const PATCH_FIELDS: ReadonlySet<string> = new Set(["op", "path", "from", "value"]);
const PATCH_OPS: ReadonlySet<string> = new Set(["add", "remove", "replace", "move", "copy", "test"]);
const NEEDS_VALUE: ReadonlySet<string> = new Set(["add", "replace", "test"]);
const NEEDS_FROM: ReadonlySet<string> = new Set(["move", "copy"]);
const MAX_ITEMS = 1_000;

/** Reads the text of a result set (`[]`, or `[{"result": …}]`) as a decision of a pack that declares `reasons`. */
export function readDecision(resultSet: Uint8Array, declared: Readonly<Record<string, string>>): DecisionReading {
  let results: JsonValue;
  try {
    results = parseJson(resultSet);
  } catch (caught) {
    return fault(isStepgateError(caught, "NUMBER_NOT_EXACT") ? "not_exact" : "malformed");
  }
  if (!Array.isArray(results)) return fault("malformed");
  if (results.length === 0) return fault("undefined");
  if (results.length > 1) return fault("several_results");
  const [only] = results as readonly JsonValue[];
  const value = isJsonObject(only) ? only["result"] : undefined;
  if (!isJsonObject(value) || !hasOnly(value, DECISION_FIELDS)) return fault("malformed");
  const effect = readEffect(value["effect"]);
  const reasons = readReasons(value);
  if (effect === undefined || reasons === undefined) return fault("malformed");
  const patches = readPatches(value["patches"], effect);
  const obligations = readObligations(value["obligations"], effect);
  if (typeof patches === "string") return fault(patches);
  if (typeof obligations === "string") return fault(obligations);
  const undeclared = reasons.filter((code) => !Object.hasOwn(declared, code));
  const codes = reasons.map((code) => (Object.hasOwn(declared, code) ? code : UNDECLARED_REASON));
  return { ok: true, decision: { effect, reasons: [...new Set(codes)], patches, obligations }, undeclared };
}

function fault(kind: DecisionFault): DecisionReading {
  return { ok: false, fault: kind };
}

function hasOnly(object: JsonObject, fields: ReadonlySet<string>): boolean {
  return Object.keys(object).every((field) => fields.has(field));
}

function readEffect(value: JsonValue | undefined): Effect | undefined {
  return EFFECTS.find((effect) => effect === value);
}

/** Patches change the payload of a redact; a deny may still carry those it computed, under other effects they are an error. */
function readPatches(value: JsonValue | undefined, effect: Effect): readonly PatchOperation[] | DecisionFault {
  const patches = readList(value, readPatch);
  if (patches === undefined) return "malformed";
  if (effect === "redact" || patches.length === 0) return patches;
  return effect === "deny" ? [] : "malformed";
}

function readObligations(value: JsonValue | undefined, effect: Effect): readonly Obligation[] | DecisionFault {
  const read = readList(value, (entry) => readObligation(entry, effect));
  if (read === undefined) return "malformed";
  const obligations: Obligation[] = [];
  for (const obligation of read) {
    if (typeof obligation === "string") return obligation;
    obligations.push(obligation);
  }
  return obligations;
}

/** `reasons`, or a single `reason`, never both; none at all is an empty list. */
function readReasons(decision: JsonObject): readonly string[] | undefined {
  const { reason, reasons } = decision;
  if (reason !== undefined && reasons !== undefined) return undefined;
  return readList(reason === undefined ? reasons : [reason], (item) =>
    typeof item === "string" && item !== "" ? item : undefined,
  );
}

function readList<Item>(
  value: JsonValue | undefined,
  read: (item: JsonValue) => Item | undefined,
): readonly Item[] | undefined {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length > MAX_ITEMS) return undefined;
  const items: Item[] = [];
  for (const entry of value as readonly JsonValue[]) {
    const item = read(entry);
    if (item === undefined) return undefined;
    items.push(item);
  }
  return items;
}

function readPatch(value: JsonValue): PatchOperation | undefined {
  if (!isJsonObject(value) || !hasOnly(value, PATCH_FIELDS)) return undefined;
  const { op, path, from } = value;
  if (typeof op !== "string" || !PATCH_OPS.has(op)) return undefined;
  if (!isPointer(path)) return undefined;
  if (NEEDS_VALUE.has(op) !== (value["value"] !== undefined)) return undefined;
  if (NEEDS_FROM.has(op) !== (from !== undefined)) return undefined;
  if (from !== undefined && !isPointer(from)) return undefined;
  return value as JsonObject & PatchOperation;
}
