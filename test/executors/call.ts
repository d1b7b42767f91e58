/** One admitted call of an adapter, with a real token over what the adapter says it needs, and ways to spoil it. */
import { randomUUID } from "node:crypto";
import { makeCallCounter } from "../../src/capability/call-counter.ts";
import { makeVerifier } from "../../src/capability/make-verifier.ts";
import { mintToken } from "../../src/capability/mint-token.ts";
import { scopeOf } from "../../src/capability/narrow-scope.ts";
import { requestDigest } from "../../src/capability/request-digest.ts";
import { canonicalJson } from "../../src/core/canonical-json.ts";
import type { ScopeLimits, TokenExpectation, VerifyToken } from "../../src/core/capability.ts";
import type { RunUid, StepId, TenantUid } from "../../src/core/ids.ts";
import type { IsolationLevel } from "../../src/core/isolation.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { HandedSecret } from "../../src/core/secret.ts";
import type { StepSpec } from "../../src/core/step.ts";
import type { ExecutionContext, ExecutorAdapter } from "../../src/executors/contract.ts";
import type { AdapterDeps } from "../../src/executors/ports.ts";
import { keys, NOW_SEC, SALT, signer } from "../capability/issuer.ts";

const ISSUER = "https://gate.example";
const tenantUid = "0199c1b2-0000-7000-8000-000000000001" as TenantUid;
const runUid = "0199c1b2-0000-7000-8000-000000000002" as RunUid;

export const { verifyToken }: { readonly verifyToken: VerifyToken } = makeVerifier({
  keys: () => keys,
  clock: { nowMs: () => NOW_SEC * 1000 },
  memoSize: 0,
});

/** Fresh dependencies, as main.ts would hand them. */
export function adapterDeps(): AdapterDeps {
  return { calls: makeCallCounter({ nowSec: () => NOW_SEC, maxTokens: 1000 }), clockSkewSec: 5 };
}

export function stepSpec(type: string, inputs: JsonObject): StepSpec {
  return {
    id: `step-${randomUUID()}` as StepId,
    type,
    inputs,
    policy: { guardrails: [], packs: [] },
    execution: {
      max_attempts: 3,
      retry_backoff_ms: 0,
      retry_backoff_factor_ppm: 1_000_000,
      deadline_ms: 0,
      checkpoint: false,
    },
  };
}

export interface CallOptions {
  readonly inputs: JsonObject;
  readonly settings?: JsonObject;
  readonly attempt?: number;
  readonly stepId?: StepId;
  readonly isolation?: IsolationLevel;
  readonly limits?: ScopeLimits;
  readonly secrets?: readonly HandedSecret[];
  /** What the token was minted for, where that is not what the call is about. */
  readonly minted?: {
    readonly audience?: string;
    readonly attempt?: number;
    readonly inputs?: JsonObject;
    readonly egress?: readonly string[];
  };
  readonly verifyToken?: VerifyToken;
}

/** The context of a call that *admit* let through. */
export function callOf(adapter: ExecutorAdapter, options: CallOptions): ExecutionContext {
  const { inputs, settings = adapter.defaultSettings, attempt = 1, limits = { calls: 1 }, minted = {} } = options;
  const fresh = stepSpec(adapter.type, inputs);
  const spec = { ...fresh, id: options.stepId ?? fresh.id };
  const canonical = canonicalJson({ inputs, type: adapter.type });
  const demand = { ...adapter.scope(spec, settings), limits };
  const scope = scopeOf({ ...adapter.scope({ ...spec, inputs: minted.inputs ?? inputs }, settings), limits }, SALT);
  const subject = { tenantUid, runUid, stepId: spec.id, attempt: minted.attempt ?? attempt };
  const { token } = mintToken({
    signer,
    issuer: ISSUER,
    audience: minted.audience ?? adapter.audience,
    subject,
    jti: randomUUID(),
    nowSec: NOW_SEC,
    ttlSec: 300,
    context: {
      tenant: tenantUid,
      run_uid: runUid,
      step: spec.id,
      attempt: subject.attempt,
      spec_digest: "5".repeat(64),
      request_digest: requestDigest(SALT, canonical),
      pack: { id: "baseline", version: "1.0.0", digest: "b".repeat(64) },
      admission_uid: "0199c1b2-0000-7000-8000-000000000003",
    },
    scope: minted.egress === undefined ? scope : { ...scope, egress: minted.egress },
  });
  return {
    tenantUid,
    runUid,
    stepId: spec.id,
    attempt,
    maxAttempts: 3,
    effectKey: `${tenantUid}/${runUid}/${spec.id}`,
    attemptKey: `${tenantUid}/${runUid}/${spec.id}/${attempt}`,
    spec,
    settings,
    isolation: options.isolation ?? adapter.describe().isolation,
    token,
    issuer: ISSUER,
    secrets: options.secrets ?? [],
    request: { salt: SALT, canonical },
    verifyToken: options.verifyToken ?? verifyToken,
    demand,
    reserved: { tokens: 0, usdMicros: 0 },
    limits,
    budget: { tracked: false },
    slo: {},
    checkpoint: undefined,
    trace: undefined,
  };
}

/** A verification that refuses everything and remembers what was expected. */
export function refusingVerifier(): {
  readonly verifyToken: VerifyToken;
  readonly expectations: readonly TokenExpectation[];
} {
  const expectations: TokenExpectation[] = [];
  return {
    expectations,
    verifyToken: (_token, expected) => {
      expectations.push(expected);
      return { ok: false, reasons: ["signature", "audience"], jti: undefined };
    },
  };
}

export const never = new AbortController().signal;
