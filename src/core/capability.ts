/**
 * Capability tokens: the words shared by who mints, who checks and who executes (design §5).
 *
 * Here: subject, scope, claims, reasons. Not here: minting and checking (capability/).
 */
import type { KeyObject } from "node:crypto";
import type { Digest, RunUid, StepId, TenantUid } from "./ids.ts";
import type { JsonValue } from "./json.ts";

export const TOKEN_TYPE = "stepgate.cap+jwt";
export const DEFAULT_AUDIENCE = "runtime-tool-adapter";
export const SCOPE_TYPE = "urn:stepgate:rar:step-execution:v1";
export const MAX_TOKEN_BYTES = 8192;
export const MAX_TOKEN_LIFETIME_SEC = 900;

/** For whom and for which attempt a token is good. Compared field by field, never as concatenated text. */
export interface StepSubject {
  readonly tenantUid: TenantUid;
  readonly runUid: RunUid;
  readonly stepId: StepId;
  /** Counts from 1. */
  readonly attempt: number;
}

export type Constraint =
  | { readonly constraint_type: "exact"; readonly value: JsonValue }
  | { readonly constraint_type: "one_of"; readonly values: readonly JsonValue[] }
  | { readonly constraint_type: "not_one_of"; readonly values: readonly JsonValue[] }
  | { readonly constraint_type: "range"; readonly min?: number; readonly max?: number }
  | { readonly constraint_type: "path_prefix"; readonly root: string }
  | { readonly constraint_type: "host_set"; readonly hosts: readonly string[] }
  | { readonly constraint_type: "subset"; readonly values: readonly JsonValue[] }
  /** The value is a schema or a definition, and this is the SHA-256 of its canonical form. */
  | { readonly constraint_type: "schema_digest"; readonly sha256: string }
  /** SHA-256(salt ‖ canonical value) under the salt of the request digest: binds a payload without showing it. */
  | { readonly constraint_type: "commitment"; readonly sha256: string }
  | { readonly constraint_type: "all"; readonly constraints: readonly Constraint[] }
  | { readonly constraint_type: "any"; readonly constraints: readonly Constraint[] };

/** Integers; an absent limit is no permission to spend: the adapter's own default applies. */
export interface ScopeLimits {
  readonly calls: number;
  readonly tokens?: number;
  readonly usd_micros?: number;
  readonly wall_ms?: number;
  readonly bytes_out?: number;
}

/** The one RFC 9396 authorization_details entry of a token. Unknown constraint or unnamed argument = refuse. */
export interface Scope {
  readonly type: typeof SCOPE_TYPE;
  readonly actions: readonly string[];
  readonly locations: readonly string[];
  readonly tools: { readonly [tool: string]: { readonly [argument: string]: Constraint } };
  readonly limits: ScopeLimits;
  /** `host` or `host:port`. */
  readonly egress: readonly string[];
  readonly data: readonly string[];
}

/** What a step is about to do; compared with a scope in every dimension. */
export interface ScopeDemand {
  readonly action: string;
  readonly location: string;
  readonly tool: string;
  readonly arguments: { readonly [argument: string]: JsonValue };
  readonly limits: ScopeLimits;
  readonly egress: readonly string[];
  readonly data: readonly string[];
  /** The registered tool that this is a call of; the token names it with the digest of its definition. */
  readonly definition?: { readonly tool: string; readonly digest: Digest };
}

/** The one argument under which a scope names a tool's definition (`schema_digest`). */
export const DEFINITION_ARGUMENT = "definition";

export interface TokenContext {
  readonly tenant: TenantUid;
  readonly run_uid: RunUid;
  readonly step: StepId;
  readonly attempt: number;
  readonly spec_digest: string;
  /** SHA-256(32 bytes of salt ‖ canonical request); the salt goes to the executor only. */
  readonly request_digest: string;
  readonly pack: { readonly id: string; readonly version: string; readonly digest: string };
  readonly admission_uid: string;
}

export interface TokenClaims {
  readonly iss: string;
  readonly aud: string;
  readonly sub: string;
  readonly jti: string;
  readonly iat: number;
  readonly nbf: number;
  readonly exp: number;
  readonly cnf?: { readonly jwk: { readonly kty: "OKP"; readonly crv: "Ed25519"; readonly x: string } };
  readonly tctx: TokenContext;
  readonly authorization_details: readonly [Scope];
}

export const TOKEN_REASONS = [
  "malformed",
  "header",
  "algorithm",
  "type",
  "unknown_key",
  "signature",
  "issuer",
  "audience",
  "expired",
  "not_yet_valid",
  "lifetime",
  "subject",
  "superseded",
  "confirmation",
  "chain",
  "scope_widened",
  "scope_malformed",
  "constraint_unknown",
  "action",
  "location",
  "tool",
  "argument_missing",
  "argument_unnamed",
  "argument",
  "limit_calls",
  "limit_tokens",
  "limit_usd_micros",
  "limit_wall_ms",
  "limit_bytes_out",
  "egress",
  "data",
  "request_digest",
  "spec_digest",
  "missing",
] as const;
export type TokenReason = (typeof TOKEN_REASONS)[number];

/** Claims of a token that a holder of `cnf` derived from another one; subject and context are those of its parent. */
export interface ChildClaims extends TokenClaims {
  /** SHA-256 of the parent token's text, lower-case hex. */
  readonly par_hash: string;
  /** 1 for a child of the gateway's own token. */
  readonly depth: number;
}

/** A verification key from outside the token. `alg` belongs to the key; a token never chooses it. */
export interface TokenKey {
  readonly kid: string;
  readonly alg: "Ed25519";
  readonly publicKey: KeyObject;
}

/** Keys by kid; loaded from a trust bundle or a JWKS, never fetched during a check. */
export type TokenKeys = ReadonlyMap<string, TokenKey>;

/** What the adapter demands. All fields are required: leaving a check out does not compile (RFC 8725 §3.8, §3.9). */
export interface TokenExpectation {
  readonly issuer: string;
  readonly audience: string;
  readonly subject: StepSubject;
  /** Highest attempt of this step seen so far; a lower one is refused. */
  readonly highestAttemptSeen: number;
  /** The exact request as the executor got it, bound by the salt. */
  readonly request: { readonly salt: Uint8Array; readonly canonical: string };
  readonly demand: ScopeDemand;
  /** Tolerated on nbf and iat. */
  readonly clockSkewSec: number;
}

export type TokenVerdict =
  | { readonly ok: true; readonly claims: TokenClaims; readonly scope: Scope }
  | { readonly ok: false; readonly reasons: readonly TokenReason[]; readonly jti: string | undefined };

/** A verified chain: what its last token allows, and the gateway's token on which all of it is counted. */
export type ChainVerdict =
  | { readonly ok: true; readonly claims: TokenClaims; readonly scope: Scope; readonly root: TokenClaims }
  | { readonly ok: false; readonly reasons: readonly TokenReason[]; readonly jti: string | undefined };

/** The verification an executor is handed; keys and clock are bound already. */
export type VerifyToken = (token: string, expected: TokenExpectation) => TokenVerdict;

/** The subject as the `sub` claim writes it; step ids are percent-encoded, so no two subjects share a text. */
export function subjectUrn(subject: StepSubject): string {
  const parts = [subject.tenantUid, subject.runUid, subject.stepId, String(subject.attempt)].map(encodeURIComponent);
  return `urn:stepgate:${parts.join(":")}`;
}
