/**
 * What the gate needs from outside, in its own words.
 *
 * Each port is required; there is no stage that works without one. Not here: who provides it (main.ts).
 */
import type { Amount } from "../core/amount.ts";
import type { RunUid, TenantUid } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import type { SecretsAnswer, ToolSecret } from "../core/secret.ts";
import type { RunState } from "../core/state.ts";
import type { Batch } from "../evidence/batch.ts";
import type { OpenTools } from "../executors/tool/open-tools.ts";
import type { LoadedPack } from "../policy/pack.ts";
import type { Breakpoint } from "./context.ts";
import type { BudgetView, LeasedStep } from "./leased-step.ts";
import type { Admission, Settlement } from "./settlement.ts";

export interface Packs {
  readonly get: (name: string) => LoadedPack | undefined;
}

export interface Tools {
  /** The version that a step is bound to, ready for use. */
  readonly open: OpenTools;
}

export interface Secrets {
  /** What a tool asks for, as it is kept now; handed to its executor at *execute* and to nobody else. */
  readonly take: (tenantUid: TenantUid, wanted: readonly ToolSecret[]) => Promise<SecretsAnswer>;
}

export interface BreakpointList {
  readonly find: (step: LeasedStep) => Promise<Breakpoint | undefined>;
}

/** Ceilings of this worker; taken before a step decides, given back exactly once on every exit. */
export interface InFlight {
  /** A release, or undefined when there is no room now. */
  readonly take: (request: Amount) => (() => void) | undefined;
}

export type AdmitOutcome =
  /** With the run's budget as the admission left it, this reservation in it; undefined: untracked, or not known. */
  | { readonly kind: "started"; readonly budget: BudgetView | undefined }
  /** The lease was lost: nothing was changed, nothing may be. */
  | { readonly kind: "stale" }
  | { readonly kind: "changed" }
  | { readonly kind: "run_stopped" }
  /** As many steps of the run are at work as may be. */
  | { readonly kind: "parallel_wait" }
  | { readonly kind: "concurrency_wait"; readonly detail: JsonObject }
  | { readonly kind: "quota_wait"; readonly detail: JsonObject }
  | { readonly kind: "quota_exceeded"; readonly detail: JsonObject }
  | { readonly kind: "budget_exceeded"; readonly detail: JsonObject }
  | { readonly kind: "caller_revoked" };

export interface SettleOutcome {
  readonly isSettled: boolean;
  readonly runStatus: RunState | undefined;
}

export interface PipelineStore {
  /** Lengthens how long runs are kept, never shortens it. */
  readonly retain: (
    runs: readonly { readonly tenantUid: TenantUid; readonly runUid: RunUid; readonly days: number }[],
  ) => Promise<void>;
  /** One transaction: fence, reserve, record, start. Outcomes in the order of `admissions`. */
  readonly admit: (admissions: readonly Admission[], batch: Batch) => Promise<readonly AdmitOutcome[]>;
  /** One transaction: outcome, ledger, next steps. Outcomes in the order of `settlements`. */
  readonly settle: (
    settlements: readonly Settlement[],
    batches: readonly Batch[],
    isReaping: boolean,
  ) => Promise<readonly SettleOutcome[]>;
}
