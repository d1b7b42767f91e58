/**
 * A loaded pack: what other rooms hold and ask.
 *
 * Here: the words. A fault is never an allow: whoever asks turns it into a deny with its own reason (spec 00,
 * `policy_error`). Not here: loading (load-pack.ts), the shape of a decision (read-decision.ts).
 */
import type { PackDecision, PackRef } from "../core/decision.ts";
import type { TenantUid } from "../core/ids.ts";
import type { PackManifest } from "./manifest.ts";
import type { DecisionFault } from "./read-decision.ts";

/** How an evaluation can fail: what the pack answered, or how it ended. */
export type PackFault = DecisionFault | "crashed" | "timeout" | "memory";

export type PackResult =
  | {
      readonly ok: true;
      readonly decision: PackDecision;
      /** Reasons the manifest does not declare, as the pack gave them: free text, to be sealed. */
      readonly undeclared: readonly string[];
      readonly durationUs: number;
    }
  | { readonly ok: false; readonly fault: PackFault; readonly durationUs: number };

export interface LoadedPack {
  readonly ref: PackRef;
  readonly manifest: PackManifest;
  /**
   * Decides on one input, canonical JSON as UTF-8 bytes, for one tenant; synchronous, never throws.
   *
   * The tenant is an argument, so that it cannot be left out: each has an instance of its own, and no memory that one
   * tenant's input passed through is ever read for another.
   */
  readonly evaluate: (input: Uint8Array, tenantUid: TenantUid) => PackResult;
  /** Frees instances and threads; evaluations after it are `crashed`. */
  readonly close: () => void;
}

/** Bounds of one evaluation. All are faults when passed, none can be left unset. */
export interface PackLimits {
  /** In a thread of its own the evaluation is stopped there; in the caller's it is refused after the fact. */
  readonly deadlineMs: number;
  readonly maxInputBytes: number;
  /** Linear memory of one instance: 15 × a JSON input, and what the rules make of it. */
  readonly maxMemoryBytes: number;
  /** An instance that grew beyond this is not kept: Wasm memory never shrinks. */
  readonly maxIdleMemoryBytes: number;
  /** Tenants with an instance at hand; the least recently used goes first. A new one costs 0.2 ms. */
  readonly maxTenants: number;
}

/**
 * For a payload of 1 MiB (spec 01) with everything else a pack sees.
 *
 * An honest evaluation takes 0.1 ms; the deadline is 10 000 × that because a thread on an overloaded machine was seen
 * to lose the processor for 0.3 s, and a timeout is a deny.
 */
export const DEFAULT_PACK_LIMITS: PackLimits = {
  deadlineMs: 1_000,
  maxInputBytes: 4 * 1024 * 1024,
  maxMemoryBytes: 128 * 1024 * 1024,
  maxIdleMemoryBytes: 16 * 1024 * 1024,
  maxTenants: 64,
};
