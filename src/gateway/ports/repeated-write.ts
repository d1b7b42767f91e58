/**
 * Writes that a client repeats, told by their Idempotency-Key.
 *
 * What holds of every port: ../ports.ts.
 */
import type { Digest, TenantUid } from "../../core/ids.ts";

/** Where an Idempotency-Key is unique: in a tenant, or among requests to the instance. */
export interface IdempotencyScope {
  readonly tenantUid: TenantUid | undefined;
  readonly idempotencyKey: string;
}

export interface StoredAnswer {
  readonly status: number;
  readonly location: string | undefined;
  /** JSON text; it may hold payload, so it is stored sealed. */
  readonly body: string;
}

export type IdempotencyClaim =
  | { readonly kind: "new" }
  | { readonly kind: "stored"; readonly answer: StoredAnswer }
  /** The key was used with another request. */
  | { readonly kind: "mismatch" }
  /** The first request is still being answered. A claim that was never finished lapses after a minute. */
  | { readonly kind: "busy" };

export interface IdempotencyStore {
  /**
   * Claims the key for this request in one statement: of several at once one gets `new`.
   * The digest is of payload, so the row keeps a keyed digest of it (spec 00, payloads at rest).
   */
  readonly claim: (input: IdempotencyScope & { readonly requestDigest: Digest }) => Promise<IdempotencyClaim>;
  /** Keeps the answer of a claimed key for at least 24 hours. */
  readonly finish: (input: IdempotencyScope & { readonly answer: StoredAnswer }) => Promise<void>;
  /** Gives the key back after an answer that changed nothing. */
  readonly release: (input: IdempotencyScope) => Promise<void>;
}
