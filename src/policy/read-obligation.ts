/**
 * Obligations: what a pack may demand beside its effect, field by field (spec 04, decision).
 *
 * In: one entry of a decision's `obligations`. Out: the obligation, or why not. A field that nobody would act on is
 * refused: a limit that is misspelt must not read as no limit. Not here: acting on them (gate/, capability/).
 */
import { isApproverRole, MAX_APPROVAL_TTL_SECONDS } from "../core/approval.ts";
import type { Effect, Obligation, ObligationType } from "../core/decision.ts";
import { OBLIGATION_TYPES } from "../core/decision.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";

type PropertyCheck = (value: JsonValue) => boolean;
interface ObligationForm {
  readonly required: readonly string[];
  readonly properties: Readonly<Record<string, PropertyCheck>>;
}

const isName: PropertyCheck = (value) => typeof value === "string" && value.length > 0 && value.length <= 256;
const isCount: PropertyCheck = (value) => typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
/** Zero would read as no time at all, or as no limit. */
const isLifetime: PropertyCheck = (value) =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 1 && value <= MAX_APPROVAL_TTL_SECONDS;
const isNames: PropertyCheck = (value) => Array.isArray(value) && value.length <= 1_000 && value.every(isName);
const isPaths: PropertyCheck = (value) => Array.isArray(value) && value.length <= 1_000 && value.every(isPointer);

const FORMS: Readonly<Record<ObligationType, ObligationForm>> = {
  notify: { required: ["sink"], properties: { sink: isName } },
  retain: { required: ["days"], properties: { days: isCount } },
  // without them: any approver, 24 hours
  require_approval: { required: [], properties: { role: isName, ttl_seconds: isLifetime } },
  limit: {
    required: [],
    properties: { calls: isCount, tokens: isCount, usd_micros: isCount, wall_ms: isCount, bytes_out: isCount },
  },
  egress: { required: ["hosts"], properties: { hosts: isNames } },
  mask_output: { required: ["paths"], properties: { paths: isPaths } },
};
const FIELDS: ReadonlySet<string> = new Set(["id", "type", "properties"]);
/** RFC 6901: empty, or segments in which `~` only stands before 0 or 1. */
const POINTER = /^(?:\/(?:[^~/]|~[01])*)*$/;

/** Tells whether a value is a JSON Pointer (RFC 6901 §3). */
export function isPointer(value: JsonValue | undefined): value is string {
  return typeof value === "string" && POINTER.test(value);
}

/** Why an entry is none. */
export type ObligationFault = "malformed" | "unknown_obligation" | "unknown_approver_role";

/** Reads one obligation of a decision with this effect. */
export function readObligation(value: JsonValue, effect: Effect): Obligation | ObligationFault {
  if (!isJsonObject(value) || !Object.keys(value).every((field) => FIELDS.has(field))) return "malformed";
  const { id, type, properties } = value;
  if (id === undefined || !isName(id) || typeof id !== "string") return "malformed";
  if (typeof type !== "string" || !isJsonObject(properties)) return "malformed";
  const known = OBLIGATION_TYPES.find((name) => name === type);
  if (known === undefined) return "unknown_obligation";
  if (known === "require_approval" && effect !== "hold") return "malformed";
  if (!fitsForm(properties, FORMS[known])) return "malformed";
  const { role } = properties;
  // nobody could answer: the step would wait until it expires
  if (known === "require_approval" && role !== undefined && !isApproverRole(role)) return "unknown_approver_role";
  return { id, type: known, properties };
}

function fitsForm(properties: JsonObject, form: ObligationForm): boolean {
  return (
    form.required.every((name) => Object.hasOwn(properties, name)) &&
    Object.entries(properties).every(([name, value]) => {
      const check = Object.hasOwn(form.properties, name) ? form.properties[name] : undefined;
      return check?.(value) === true;
    })
  );
}
