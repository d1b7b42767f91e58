/**
 * Decisions: effects, boundaries, obligations, and what one evaluation of a pack leaves behind (spec 04, decision).
 *
 * Here: words and their order of dominance. Not here: how a pack is evaluated (policy/), how patches apply (redaction/).
 */
import type { Digest } from "./ids.ts";
import type { JsonObject, JsonValue } from "./json.ts";

/** Weakest first; the dominant effect of several decisions is the last of these that occurs. */
export const EFFECTS = ["allow", "redact", "hold", "deny"] as const;
export type Effect = (typeof EFFECTS)[number];

export const BOUNDARIES = [
  "ingress_prompt",
  "ingress_tool",
  "ingress_memory",
  "scheduler",
  "egress_prompt",
  "egress_tool",
  "egress_memory",
  "artifact",
] as const;
export type Boundary = (typeof BOUNDARIES)[number];

export const OBLIGATION_TYPES = ["notify", "retain", "require_approval", "limit", "egress", "mask_output"] as const;
export type ObligationType = (typeof OBLIGATION_TYPES)[number];

export interface Obligation {
  readonly id: string;
  readonly type: ObligationType;
  readonly properties: JsonObject;
}

/** One RFC 6902 operation; `path` and `from` are RFC 6901 pointers from the payload's root. */
export interface PatchOperation {
  readonly op: "add" | "remove" | "replace" | "move" | "copy" | "test";
  readonly path: string;
  readonly from?: string;
  readonly value?: JsonValue;
}

/** A reason code: declared in the pack's manifest, or one of the host's own. Never free text. */
export type ReasonCode = string;

/** What a pack said, after its shape was checked. */
export interface PackDecision {
  readonly effect: Effect;
  readonly reasons: readonly ReasonCode[];
  readonly patches: readonly PatchOperation[];
  readonly obligations: readonly Obligation[];
}

/** A pack as records name it. */
export interface PackRef {
  readonly id: string;
  readonly version: string;
  readonly digest: Digest;
}

/** Where a value came from; packs see it. */
export interface Origin {
  readonly boundary: Boundary;
  readonly source: "user" | "tool" | "model" | "system";
  readonly runUid?: string;
  readonly stepId?: string;
}

/** What one evaluation leaves: codes, paths and digests, never payload. */
export interface Evaluation {
  readonly stage: "guardrails" | "decide" | "guard" | "admit" | "inspect";
  readonly boundary: Boundary;
  readonly effect: Effect;
  readonly reasons: readonly ReasonCode[];
  /** Pointers of what was patched. */
  readonly patchPaths: readonly string[];
  readonly obligations: readonly Obligation[];
  readonly pack: PackRef;
  readonly origins: readonly Origin[];
  /** Microseconds, an integer. */
  readonly durationUs: number;
}

/** The strongest of several effects: deny > hold > redact > allow. */
export function dominantEffect(effects: readonly Effect[]): Effect {
  return effects.reduce<Effect>(
    (worst, effect) => (EFFECTS.indexOf(effect) > EFFECTS.indexOf(worst) ? effect : worst),
    "allow",
  );
}
