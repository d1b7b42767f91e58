/**
 * The scope of a token as it must look, field by field; anything else is refused.
 *
 * In: the parsed `authorization_details` (RFC 9396 §2). Out: the one scope, or why not. Not here: what fits it (scope.ts).
 */
import { SCOPE_TYPE, type Scope, type ScopeLimits, TOKEN_REASONS, type TokenReason } from "../core/capability.ts";
import { constraintFaults } from "./constraint.ts";
import { hasFields, isArrayOf, isCount, isRecord, isText } from "./form.ts";

export type ScopeVerdict =
  | { readonly ok: true; readonly scope: Scope }
  | { readonly ok: false; readonly reasons: readonly TokenReason[] };

const SCOPE_FIELDS = ["type", "actions", "locations", "tools", "limits", "egress", "data"] as const;
const OPTIONAL_LIMITS = ["tokens", "usd_micros", "wall_ms", "bytes_out"] as const;

/** Reads the authorization details of a token: exactly one entry, of our type. */
export function readAuthorizationDetails(details: unknown): ScopeVerdict {
  return Array.isArray(details) && details.length === 1
    ? readScope(details[0])
    : { ok: false, reasons: ["scope_malformed"] };
}

/** Reads one scope. Every constraint must be known, also those of tools that nobody asks for. */
export function readScope(value: unknown): ScopeVerdict {
  if (!hasScopeForm(value)) return { ok: false, reasons: ["scope_malformed"] };
  const faults = Object.values(value.tools).flatMap((tool) => Object.values(tool).flatMap(constraintFaults));
  return faults.length === 0 ? { ok: true, scope: value } : { ok: false, reasons: orderedReasons(faults) };
}

/** Each reason once, in the order of the table, so that equal faults read the same everywhere. */
export function orderedReasons(reasons: readonly TokenReason[]): readonly TokenReason[] {
  return TOKEN_REASONS.filter((reason) => reasons.includes(reason));
}

/** All of a scope but its constraints. */
function hasScopeForm(value: unknown): value is Scope {
  if (!hasFields(value, SCOPE_FIELDS)) return false;
  const { type, actions, locations, tools, limits, egress, data } = value;
  return (
    type === SCOPE_TYPE &&
    [actions, locations, egress, data].every((list) => isArrayOf(list, isText)) &&
    isRecord(tools) &&
    Object.values(tools).every(isRecord) &&
    isLimits(limits)
  );
}

function isLimits(value: unknown): value is ScopeLimits {
  return hasFields(value, ["calls"], OPTIONAL_LIMITS) && Object.values(value).every(isCount);
}
