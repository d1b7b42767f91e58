/**
 * API keys as rows: only hashes of secrets, found by their public id.
 */
import type { TenantUid } from "../core/ids.ts";
import type { ApiKeyRow, ApiKeyStore } from "../tenancy/ports.ts";
import { findTogether } from "./find-together.ts";
import { jsonText } from "./json-rows.ts";
import { INSTANCE_SCOPE, type TenantPool } from "./pool.ts";
import * as sql from "./statements/tenants.ts";

export function makeApiKeyStore(pool: TenantPool): ApiKeyStore {
  const instance = pool.within(INSTANCE_SCOPE);
  const scopeOf = (tenantUid: TenantUid, withInstance: boolean) => (withInstance ? instance : pool.within(tenantUid));
  return {
    findActive: findTogether(async (keyIds) => {
      const { rows } = await instance.query<KeyColumns & { readonly secret_hash: Uint8Array }>(sql.FIND_API_KEY, [
        keyIds,
      ]);
      return new Map(rows.map((row) => [row.key_id, { ...keyRow(row), secretHash: row.secret_hash }]));
    }),
    touch: async (keyId) => {
      await instance.query(sql.TOUCH_API_KEY, [keyId]);
    },
    list: async ({ tenantUid, withInstance, after, limit }) => {
      const values = [tenantUid, withInstance, after?.createdAtMs ?? null, after?.keyId ?? null, limit];
      return (await scopeOf(tenantUid, withInstance).query<KeyColumns>(sql.LIST_API_KEYS, values)).rows.map(keyRow);
    },
    get: async ({ keyId, tenantUid, withInstance }) => {
      const database = scopeOf(tenantUid, withInstance);
      const { rows } = await database.query<KeyColumns>(sql.READ_API_KEY, [keyId, tenantUid, withInstance]);
      return rows[0] && keyRow(rows[0]);
    },
    insert: ({ key, actor, auditTenant }) =>
      instance.transaction(async (connection) => {
        const { keyId, tenantUid, secretHash, owner, roles, expiresAtMs } = key;
        await connection.query(sql.INSERT_API_KEY, [
          keyId,
          tenantUid ?? null,
          secretHash,
          owner,
          roles,
          expiresAtMs ?? null,
        ]);
        await connection.query(sql.ENTER_TENANT, [auditTenant]);
        await connection.query(sql.APPEND_AUDIT, [
          auditTenant,
          actor,
          "key.create",
          jsonText({ key_id: keyId, owner, roles }),
        ]);
      }),
    revoke: ({ keyId, tenantUid, withInstance, actor }) =>
      scopeOf(tenantUid, withInstance).transaction(async (connection) => {
        const { rowCount } = await connection.query(sql.REVOKE_API_KEY, [keyId, tenantUid, withInstance]);
        if (rowCount > 0) {
          await connection.query(sql.ENTER_TENANT, [tenantUid]);
          await connection.query(sql.APPEND_AUDIT, [tenantUid, actor, "key.revoke", jsonText({ key_id: keyId })]);
        }
        return rowCount > 0;
      }),
  };
}

interface KeyColumns {
  readonly key_id: string;
  readonly tenant_uid: TenantUid | null;
  readonly tenant_id: string | null;
  readonly authority_version: number | null;
  readonly owner: string;
  readonly roles: readonly string[];
  readonly created_at_ms: number;
  readonly expires_at_ms: number | null;
  readonly revoked_at_ms: number | null;
  readonly last_used_at_ms: number | null;
}

function keyRow(row: KeyColumns): ApiKeyRow {
  return {
    keyId: row.key_id,
    tenantUid: row.tenant_uid ?? undefined,
    tenantId: row.tenant_id ?? undefined,
    authorityVersion: row.authority_version ?? undefined,
    owner: row.owner,
    roles: row.roles,
    createdAtMs: row.created_at_ms,
    expiresAtMs: row.expires_at_ms ?? undefined,
    revokedAtMs: row.revoked_at_ms ?? undefined,
    lastUsedAtMs: row.last_used_at_ms ?? undefined,
  };
}
