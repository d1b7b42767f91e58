/**
 * The key ring's rows: wrapped keys, the instance check, trust bundles, the admin key (evidence/ports.ts).
 *
 * Every insert is durable when it returns and never overwrites. Not here: unwrapping anything.
 */
import { StepgateError } from "../core/errors.ts";
import type { TenantUid } from "../core/ids.ts";
import type { KeyState } from "../core/keys.ts";
import type { InstanceCheck, KeyRow, KeyStore, StoredTrustBundle } from "../evidence/ports.ts";
import { jsonObject, jsonText } from "./json-rows.ts";
import { INSTANCE_SCOPE, type TenantPool } from "./pool.ts";
import * as sql from "./statements/keys.ts";
import { HAS_ADMIN_KEY, INSERT_API_KEY } from "./statements/tenants.ts";

/** The first key has every role: whoever starts an instance owns it (spec 09). */
const ADMIN_ROLES = ["reader", "submitter", "author", "operator", "approver", "admin", "platform"];

export function makeKeyStore(pool: TenantPool): KeyStore {
  const instance = pool.within(INSTANCE_SCOPE);
  const readCheck = async (): Promise<InstanceCheck | undefined> => {
    const { rows } = await instance.query<{ instance_uid: string; proof: Uint8Array }>(sql.READ_INSTANCE_CHECK);
    return rows[0] && { instanceUid: rows[0].instance_uid, proof: rows[0].proof };
  };
  const readBundle = async (): Promise<StoredTrustBundle | undefined> =>
    (await instance.query<StoredTrustBundle>(sql.READ_TRUST_BUNDLE)).rows[0];
  return {
    exclusively: (act) =>
      // one transaction keeps one session, and the advisory lock ends with it whatever happens
      instance.transaction(async (connection) => {
        await connection.query(sql.LOCK_FIRST_START);
        try {
          return await act();
        } finally {
          await connection.query(sql.UNLOCK_FIRST_START);
        }
      }),
    readInstanceCheck: readCheck,
    insertInstanceCheck: async (check) => {
      await instance.query(sql.INSERT_INSTANCE_CHECK, [check.instanceUid, check.proof]);
      return standing(await readCheck());
    },
    listInstanceKeys: async () => (await instance.query<KeyColumns>(sql.LIST_INSTANCE_KEYS)).rows.map(keyRow),
    listTenantKeys: async (tenantUid) =>
      (await pool.within(tenantUid).query<KeyColumns>(sql.LIST_TENANT_KEYS, [tenantUid])).rows.map(keyRow),
    insertActiveKey: async (row) => {
      const owner = row.tenantUid === undefined ? instance : pool.within(row.tenantUid);
      await owner.query(sql.INSERT_KEY, [
        row.keyId,
        row.tenantUid ?? null,
        row.purpose,
        row.alg,
        row.state,
        row.publicJwk === undefined ? null : jsonText(row.publicJwk),
        row.wrapped ?? null,
      ]);
      const { rows } = await owner.query<KeyColumns>(sql.READ_ACTIVE_KEY, [row.tenantUid ?? null, row.purpose]);
      return standing(rows[0] && keyRow(rows[0]));
    },
    readTrustBundle: readBundle,
    insertTrustBundle: async ({ version, envelope }) => {
      await instance.query(sql.INSERT_TRUST_BUNDLE, [version, envelope]);
      return standing(await readBundle());
    },
    hasAdminKey: async () => (await instance.query<{ found: boolean }>(HAS_ADMIN_KEY)).rows[0]?.found === true,
    insertAdminKey: async ({ keyId, secretHash }) => {
      await instance.query(INSERT_API_KEY, [keyId, null, secretHash, "admin", ADMIN_ROLES, null]);
    },
  };
}

interface KeyColumns {
  readonly key_id: string;
  readonly tenant_uid: TenantUid | null;
  readonly purpose: string;
  readonly alg: string;
  readonly state: KeyState;
  readonly public_jwk: string | null;
  readonly wrapped: Uint8Array | null;
}

function keyRow(row: KeyColumns): KeyRow {
  return {
    keyId: row.key_id,
    tenantUid: row.tenant_uid ?? undefined,
    purpose: row.purpose,
    alg: row.alg,
    state: row.state,
    publicJwk: row.public_jwk === null ? undefined : jsonObject(row.public_jwk),
    wrapped: row.wrapped ?? undefined,
  };
}

function standing<Row>(row: Row | undefined): Row {
  if (row === undefined)
    throw new StepgateError("STORE_REFUSED", { reason: "a row that was just written is not there" });
  return row;
}
