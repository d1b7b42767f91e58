/**
 * The executor contract: what an adapter promises, and what it is given (design §8, spec 01 stage execute).
 *
 * An adapter imports core and this file; whatever else it needs (token verification, transport) is handed to it.
 * Not here: the list of adapters (registry.ts), the adapters (one folder each).
 */
import type { Amount, AmountUnit } from "../core/amount.ts";
import type { ScopeDemand, ScopeLimits, VerifyToken } from "../core/capability.ts";
import type { ErrorKind } from "../core/error-kind.ts";
import type { RunUid, StepId, TenantUid } from "../core/ids.ts";
import type { IsolationLevel } from "../core/isolation.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { HandedSecret, SecretPlace } from "../core/secret.ts";
import type { StepSpec } from "../core/step.ts";
import type { EffectClass } from "../core/tool.ts";

export interface ExecutorAdapter {
  /** The step type it serves. */
  readonly type: string;
  /** The audience its tokens must name. */
  readonly audience: string;
  /** JSON Schema 2020-12 of a tenant's settings for this type. */
  readonly settingsSchema: JsonObject;
  /** JSON Schema 2020-12 of `inputs` after references are resolved. */
  readonly inputsSchema: JsonObject;
  /** What a tenant gets that never set anything: the closed form. */
  readonly defaultSettings: JsonObject;
  /** How it hands a tool's secrets over; undefined: it takes none. */
  readonly secrets: SecretUse | undefined;
  readonly describe: () => AdapterDescription;
  /**
   * What a token for this step must allow: exactly what it is about to do. The limit of a metered unit is the cap that the
   * provider is told; it is reserved too, so that a step without a hint need not be refused under a budget.
   */
  readonly scope: (spec: StepSpec, settings: JsonObject) => ScopeDemand;
  /** Whether this machine and these settings let the step run at all; nothing is touched. */
  readonly check: (spec: StepSpec, settings: JsonObject, wanted: WantedIsolation) => AdapterCheck;
  /** Proves the isolation this machine gives, with negative controls; run at start and on SIGHUP. */
  readonly selfTest: () => Promise<IsolationReport>;
  /**
   * Performs the step. Verifies the token first, with its own audience, before touching anything.
   * Ends soon after `signal` fires and leaves no process, socket or file behind.
   */
  readonly execute: (context: ExecutionContext, signal: AbortSignal) => Promise<ExecutorResult>;
}

/** Where secrets of a tool go in a call. Their values come with the call alone (`ExecutionContext.secrets`). */
export interface SecretUse {
  readonly as: SecretPlace;
  /** Why no secret may have this name here, for whoever registers a tool; undefined when one may. */
  readonly nameFault: (name: string) => string | undefined;
  /** One form for all spellings of a name. */
  readonly nameOf: (name: string) => string;
  /** Names, in that form, which inputs or a config with holes set in this place themselves. */
  readonly namesIn: (inputs: JsonObject) => readonly string[];
  /** Codes of why no secret may go with this call; nothing is touched. */
  readonly refusals: (spec: StepSpec, settings: JsonObject) => readonly string[];
}

export interface AdapterDescription {
  readonly type: string;
  readonly version: string;
  readonly summary: string;
  readonly effects: EffectClass;
  /** In which units a call spends what somebody charges for: a model, anything with a price (spec 03). None: it is free. */
  readonly meters: readonly AmountUnit[];
  /** The strongest level the last self-test proved. */
  readonly isolation: IsolationLevel;
}

export interface WantedIsolation {
  readonly minimum: IsolationLevel;
  /** The tenant allowed weaker levels for this type by name; the record says so. */
  readonly weakerAllowed: boolean;
}

export type AdapterCheck =
  | { readonly ok: true; readonly isolation: IsolationLevel }
  | {
      readonly ok: false;
      readonly kind: Extract<
        ErrorKind,
        "sandbox_unavailable" | "program_not_allowed" | "invalid_request" | "capability_denied"
      >;
      /** Stable codes. */
      readonly reasons: readonly string[];
    };

export interface IsolationReport {
  readonly level: IsolationLevel;
  /** One line a check: what was tried, and whether it held; negative controls included. */
  readonly checks: readonly { readonly name: string; readonly held: boolean; readonly detail: string }[];
  /** What a person can do to get a stronger level, or undefined. */
  readonly advice: string | undefined;
}

export interface ExecutionContext {
  readonly tenantUid: TenantUid;
  readonly runUid: RunUid;
  readonly stepId: StepId;
  readonly attempt: number;
  readonly maxAttempts: number;
  /** Stable over attempts: tenant/run_uid/step. For tools that de-duplicate. */
  readonly effectKey: string;
  readonly attemptKey: string;
  readonly spec: StepSpec;
  readonly settings: JsonObject;
  readonly isolation: IsolationLevel;
  /** Handed to the executor only; it enters no sandbox, argument, environment, row, event or error. */
  readonly token: string;
  readonly issuer: string;
  /** What the tool asked for, and nobody but the executor sees: no argument vector, no row, event, log or error. */
  readonly secrets: readonly HandedSecret[];
  /** Bound to the token by its request_digest: SHA-256(salt ‖ canonical request). */
  readonly request: { readonly salt: Uint8Array; readonly canonical: string };
  readonly verifyToken: VerifyToken;
  /** The demand the token was minted for: `scope(spec, settings)` with the request's limits. */
  readonly demand: ScopeDemand;
  readonly reserved: Amount;
  readonly limits: ScopeLimits;
  /** Of the run, read shortly before, as packs see it: tracked, tokens, usd_micros {limit, used, reserved, remaining}, time_limit_at_ms. */
  readonly budget: JsonObject;
  /** How the step stands against its contract, as packs see it: tier, queue_target_ms, observed_queue_ms, slack_ms and more. */
  readonly slo: JsonObject;
  readonly checkpoint: JsonValue | undefined;
  readonly trace: { readonly traceparent: string; readonly tracestate?: string } | undefined;
}

export interface ToolEvent {
  readonly kind: string;
  readonly payload: JsonValue;
}

export interface Usage {
  readonly tokens?: number;
  readonly outputTokens?: number;
  readonly usdMicros?: number;
}

export type ExecutorResult =
  | {
      readonly ok: true;
      readonly output: JsonValue;
      readonly usage?: Usage;
      readonly provider?: string;
      readonly providerVersion?: string;
      readonly toolEvents: readonly ToolEvent[];
      readonly checkpoint?: JsonValue;
    }
  | {
      readonly ok: false;
      readonly kind: Extract<
        ErrorKind,
        "execution_error" | "deadline_exceeded" | "cancelled" | "capability_denied" | "io_unimplemented"
      >;
      readonly retryable: boolean;
      readonly retryAfterMs?: number;
      /** Stable code of what went wrong, e.g. `exit_code`, `timeout`, `output_too_large`. */
      readonly code: string;
      /** Text for people; passes *inspect* before it is stored. */
      readonly message: string;
      /** Whatever the tool printed or answered although it failed; passes *inspect* too. */
      readonly details?: JsonValue;
      /** What the next attempt goes on from. */
      readonly checkpoint?: JsonValue;
      readonly usage?: Usage;
      readonly toolEvents: readonly ToolEvent[];
    };
