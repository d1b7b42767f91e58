/**
 * Repeated writes as rows: a key is claimed in one statement, its answer kept sealed, since answers may hold payload.
 */

import { StepgateError } from "../core/errors.ts";
import type { Digest, TenantUid } from "../core/ids.ts";
import { isJsonObject } from "../core/json.ts";
import { parseJson } from "../core/parse-json.ts";
import { jsonText } from "./json-rows.ts";
import { INSTANCE_SCOPE, type TenantPool } from "./pool.ts";
import * as sql from "./statements/tenants.ts";

/** Seals and opens answers under the tenant's data key; requests to the instance use the instance's own place. */
export interface AnswerVault {
  readonly seal: (
    tenantUid: TenantUid,
    text: string,
  ) => Promise<{ readonly keyId: string; readonly wrappedKey: Uint8Array; readonly sealed: Uint8Array }>;
  readonly open: (
    tenantUid: TenantUid,
    blob: { readonly keyId: string; readonly wrappedKey: Uint8Array; readonly sealed: Uint8Array },
  ) => Promise<string>;
  /** Keyed digest for internal equality (spec 00, payloads at rest): a request's own digest could be guessed at. */
  readonly digest: (tenantUid: TenantUid, text: string) => Promise<Digest>;
}

interface Scope {
  readonly tenantUid: TenantUid | undefined;
  readonly idempotencyKey: string;
}

interface Answer {
  readonly status: number;
  readonly location: string | undefined;
  readonly body: string;
}

export function makeIdempotencyStore(pool: TenantPool, vault: AnswerVault) {
  const scopeOf = ({ tenantUid, idempotencyKey }: Scope) => [tenantUid ?? INSTANCE_SCOPE, idempotencyKey] as const;
  return {
    claim: async (input: Scope & { readonly requestDigest: Digest }) => {
      const scope = scopeOf(input);
      const keyedDigest = await vault.digest(scope[0], input.requestDigest);
      const { rowCount } = await pool.within(scope[0]).query(sql.CLAIM_IDEMPOTENCY_KEY, [...scope, keyedDigest]);
      if (rowCount > 0) return { kind: "new" as const };
      const [row] = (await pool.within(scope[0]).query<Row>(sql.READ_IDEMPOTENCY_KEY, scope)).rows;
      // given back between the two statements: whoever asks again gets it
      if (row === undefined) return { kind: "busy" as const };
      if (row.request_digest !== keyedDigest) return { kind: "mismatch" as const };
      if (row.status === null) return { kind: "busy" as const };
      return { kind: "stored" as const, answer: await openAnswer(vault, scope[0], row) };
    },
    finish: async (input: Scope & { readonly answer: Answer }) => {
      const scope = scopeOf(input);
      const blob = await vault.seal(scope[0], jsonText({ body: input.answer.body }));
      await pool
        .within(scope[0])
        .query(sql.FINISH_IDEMPOTENCY_KEY, [
          ...scope,
          input.answer.status,
          input.answer.location ?? null,
          blob.keyId,
          blob.wrappedKey,
          blob.sealed,
        ]);
    },
    release: async (input: Scope) => {
      const scope = scopeOf(input);
      await pool.within(scope[0]).query(sql.RELEASE_IDEMPOTENCY_KEY, scope);
    },
  };
}

interface Row {
  readonly request_digest: string;
  readonly status: number | null;
  readonly location: string | null;
  readonly key_id: string | null;
  readonly wrapped_key: Uint8Array | null;
  readonly sealed: Uint8Array | null;
}

async function openAnswer(vault: AnswerVault, tenantUid: TenantUid, row: Row): Promise<Answer> {
  if (row.status === null || row.key_id === null || row.wrapped_key === null || row.sealed === null) {
    throw new StepgateError("STORE_REFUSED", { reason: "a stored answer is not whole" });
  }
  const opened = parseJson(
    await vault.open(tenantUid, { keyId: row.key_id, wrappedKey: row.wrapped_key, sealed: row.sealed }),
  );
  const body = isJsonObject(opened) ? opened["body"] : undefined;
  if (typeof body !== "string") throw new StepgateError("BLOB_UNREADABLE", { field: "answer" });
  return { status: row.status, location: row.location ?? undefined, body };
}
