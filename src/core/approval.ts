/**
 * Approvals: the words for a step that waits until a person decides (spec 04, approval).
 *
 * Here: states, decisions, the defaults of `require_approval`. Not here: records (evidence/), deciding (approvals/).
 */

/** `open` waits; `approved` may be used once and is `consumed` by it; `void` can be used no more. */
export const APPROVAL_STATES = ["open", "approved", "rejected", "expired", "consumed", "void"] as const;
export type ApprovalState = (typeof APPROVAL_STATES)[number];

/** What a person may answer. */
export const APPROVAL_DECISIONS = ["approve", "reject"] as const;
export type ApprovalDecision = (typeof APPROVAL_DECISIONS)[number];

/** Roles of keys that may decide an approval, and so the only ones that a pack may ask for: any other hold could only expire. */
export const APPROVER_ROLES = ["approver", "operator", "admin"] as const;

/** Tells whether keys of this role may decide. */
export function isApproverRole(value: unknown): boolean {
  return APPROVER_ROLES.some((role) => role === value);
}

export const DEFAULT_APPROVER_ROLE = "approver";
export const DEFAULT_APPROVAL_TTL_SECONDS = 86_400;
/** A year: what nobody has decided by then, nobody decides. */
export const MAX_APPROVAL_TTL_SECONDS = 31_536_000;

/** The roles that a hold asks for; several packs may each want their own, and one key must have them all. */
export function rolesOf(role: string): readonly string[] {
  return role.split(",");
}

/** Several packs' roles as one text, for rows, records and events. */
export function roleText(roles: readonly string[]): string {
  return [...new Set(roles)].sort().join(",");
}
