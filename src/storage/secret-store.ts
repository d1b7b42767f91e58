/**
 * Secrets of tools as rows: sealed values by name. Every change is audited in its transaction, without the value.
 */
import { StepgateError } from "../core/errors.ts";
import type { TenantUid } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import type { SecretRow, SecretStore } from "../tenancy/ports.ts";
import { jsonText } from "./json-rows.ts";
import type { Connection, TenantPool } from "./pool.ts";
import { type SealedColumns, sealedColumns, sealedText } from "./sealed-columns.ts";
import * as sql from "./statements/secrets.ts";
import { APPEND_AUDIT } from "./statements/tenants.ts";

export function makeSecretStore(pool: TenantPool): SecretStore {
  return {
    list: async (tenantUid, after, limit) => {
      const values = [tenantUid, after ?? null, limit];
      return (await pool.within(tenantUid).query<SecretColumns>(sql.LIST_SECRETS, values)).rows.map(secretRow);
    },
    find: async (tenantUid, names) =>
      (await pool.within(tenantUid).query<SecretColumns>(sql.FIND_SECRETS, [tenantUid, names])).rows.map(secretRow),
    read: async (tenantUid, names) => {
      const { rows } = await pool
        .within(tenantUid)
        .query<SealedColumns & Pick<SecretColumns, "name" | "fits_header">>(sql.READ_SECRETS, [tenantUid, names]);
      return new Map(rows.map((row) => [row.name, { fitsHeader: row.fits_header, value: sealedText(row) }]));
    },
    tools: async (tenantUid, name, limit) => {
      const { rows } = await pool
        .within(tenantUid)
        .query<{ readonly name: string }>(sql.LIST_TOOLS_OF_SECRET, [tenantUid, name, limit]);
      return rows.map((row) => row.name);
    },
    put: ({ tenantUid, actor, name, fitsHeader, value }) =>
      pool.within(tenantUid).transaction(async (connection) => {
        const values = [tenantUid, name, fitsHeader, ...sealedColumns(value)];
        const { rows } = await connection.query<SecretColumns>(sql.PUT_SECRET, values);
        const [row] = rows.map(secretRow);
        if (row === undefined) throw new StepgateError("STORE_REFUSED", { reason: "a secret was not written" });
        await audit(connection, { tenantUid, actor, action: "secret.put", resource: { name, version: row.version } });
        return row;
      }),
    remove: ({ tenantUid, actor, name }) =>
      pool.within(tenantUid).transaction(async (connection) => {
        const { rowCount } = await connection.query(sql.REMOVE_SECRET, [tenantUid, name]);
        if (rowCount > 0) await audit(connection, { tenantUid, actor, action: "secret.remove", resource: { name } });
        return rowCount > 0;
      }),
  };
}

interface Change {
  readonly tenantUid: TenantUid;
  readonly actor: string;
  readonly action: string;
  readonly resource: JsonObject;
}

async function audit(connection: Connection, { tenantUid, actor, action, resource }: Change): Promise<void> {
  await connection.query(APPEND_AUDIT, [tenantUid, actor, action, jsonText(resource)]);
}

interface SecretColumns {
  readonly name: string;
  readonly version: number;
  readonly fits_header: boolean;
  readonly created_at_ms: number;
  readonly updated_at_ms: number;
}

function secretRow(row: SecretColumns): SecretRow {
  return {
    name: row.name,
    version: row.version,
    fitsHeader: row.fits_header,
    createdAtMs: row.created_at_ms,
    updatedAtMs: row.updated_at_ms,
  };
}
