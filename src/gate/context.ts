/**
 * What a step carries through the gate, and how a stage may end.
 *
 * The context is immutable and grows: a stage returns the next one or an outcome. The union's discriminant is `kind`;
 * no switch over it has a default that allows. Not here: the stages (one file each), their order (gate.ts).
 */

import type { UsableApproval } from "../approvals/find-approval.ts";
import type { Amount } from "../core/amount.ts";
import { canonicalJson } from "../core/canonical-json.ts";
import type { Scope, ScopeDemand, TokenClaims } from "../core/capability.ts";
import type { Boundary, Evaluation, Obligation, Origin, PackRef, ReasonCode } from "../core/decision.ts";
import type { ErrorKind } from "../core/error-kind.ts";
import type { IsolationLevel } from "../core/isolation.ts";
import type { JsonObject } from "../core/json.ts";
import type { HandedSecret } from "../core/secret.ts";
import type { StepExecution } from "../core/step.ts";
import type { TenantAuthority } from "../core/tenant.ts";
import type { TenantVault } from "../core/vault.ts";
import type { ExecutorAdapter } from "../executors/contract.ts";
import type { OpenedTool } from "../executors/tool/opened-tool.ts";
import type { LeasedStep } from "./leased-step.ts";

export interface StepContext {
  readonly step: LeasedStep;
  readonly authority: TenantAuthority;
  readonly vault: TenantVault;
  /** The version that the step is bound to, opened by stage 5; undefined for a step of another type. */
  readonly tool: OpenedTool | undefined;
  /** What that version asks to be handed; a function, so that nothing that writes a context down writes values. */
  readonly secrets: () => readonly HandedSecret[];
  /** Queue lag and SLO view (spec 02); packs and executors see it. */
  readonly slo: JsonObject;
  /** What would run now: references resolved, patches of the packs applied. */
  readonly inputs: JsonObject;
  /** RFC 8785 form of `inputs`, made once and kept in step with it. */
  readonly inputsText: string;
  readonly execution: StepExecution;
  readonly origins: readonly Origin[];
  readonly evaluations: readonly Evaluation[];
  /** Free text and undeclared reasons of packs; stored sealed only. */
  readonly details: readonly JsonObject[];
  readonly patchPaths: readonly string[];
  readonly obligations: readonly Obligation[];
  readonly holds: readonly Hold[];
  /** The approval under which packs that held let the step pass; *admit* consumes it. */
  readonly approval: UsableApproval | undefined;
  /** Request for tokens and money that *admit* reserves (spec 03). */
  readonly request: Amount;
  /** The pack that decided for the tenant, and what it was shown. */
  readonly runtimeDecision: RuntimeDecision | undefined;
  readonly capability: Capability | undefined;
  /** Gives back what *pressure* took; may be called more than once. */
  readonly releaseInFlight: () => void;
}

export interface Hold {
  readonly pack: PackRef;
  readonly packName: string;
  readonly stage: "guardrails" | "decide";
  readonly boundary: Boundary;
  readonly role: string;
  readonly ttlSeconds: number;
}

export interface RuntimeDecision {
  readonly pack: PackRef;
  /** Canonical pack input, kept sealed for later re-decision. */
  readonly packInput: string;
}

/** Made by *mint*, checked by *guard*, handed to the executor; in memory only. */
export interface Capability {
  readonly adapter: ExecutorAdapter;
  readonly settings: JsonObject;
  readonly isolation: IsolationLevel;
  readonly demand: ScopeDemand;
  readonly scope: Scope;
  readonly token: string;
  readonly claims: TokenClaims;
  readonly salt: Uint8Array;
  /** Canonical request the token's request_digest is over. */
  readonly canonicalRequest: string;
  readonly admissionUid: string;
}

/** The context that a step begins with: what was claimed and who decides over it, nothing else yet. */
export function beginContext({
  step,
  authority,
  vault,
  request,
}: Pick<StepContext, "step" | "authority" | "vault" | "request">): StepContext {
  return {
    step,
    authority,
    vault,
    tool: undefined,
    secrets: () => [],
    slo: {},
    inputs: step.spec.inputs,
    inputsText: canonicalJson(step.spec.inputs),
    execution: step.spec.execution,
    origins: [],
    evaluations: [],
    details: [],
    patchPaths: [],
    obligations: [],
    holds: [],
    approval: undefined,
    request,
    runtimeDecision: undefined,
    capability: undefined,
    releaseInFlight: () => undefined,
  };
}

export type DeferReason = "backpressure" | "quota" | "concurrency_key" | "max_parallel" | "changed";
export type RefusingStage = "breakpoint" | "deadline" | "guardrails" | "decide" | "mint" | "guard" | "admit";

export interface Breakpoint {
  readonly target: "step" | "slug" | "type";
  readonly value: string;
}

export type StageOutcome =
  | { readonly kind: "continue"; readonly context: StepContext }
  | {
      readonly kind: "finish";
      readonly context: StepContext;
      readonly stage: RefusingStage;
      readonly errorKind: ErrorKind;
      readonly reasons: readonly ReasonCode[];
      /** Names and numbers a person needs: which quota, which field. Codes and counts only. */
      readonly detail: JsonObject;
    }
  | {
      readonly kind: "defer";
      readonly context: StepContext;
      readonly delayMs: number;
      readonly reason: DeferReason;
      /** The quota or the concurrency key that has no room. */
      readonly of?: string;
    }
  | {
      readonly kind: "hold";
      readonly context: StepContext;
      /** Exactly what the approver will be shown (approvals/shown-form.ts). */
      readonly formText: string;
      readonly role: string;
      readonly ttlSeconds: number;
    }
  | { readonly kind: "pause"; readonly context: StepContext; readonly breakpoint: Breakpoint };

export type Stage = (context: StepContext) => Promise<StageOutcome>;

export const goOn = (context: StepContext): StageOutcome => ({ kind: "continue", context });

/** Ends the step before anything ran: a decision, recorded and signed like every other. */
export function refuse(
  context: StepContext,
  stage: RefusingStage,
  errorKind: ErrorKind,
  reasons: readonly ReasonCode[],
  detail: JsonObject = {},
): Extract<StageOutcome, { readonly kind: "finish" }> {
  return { kind: "finish", context, stage, errorKind, reasons, detail };
}
