/**
 * Tenants, quotas, tools and settings as rows. Every change is audited and raises the authority version in its transaction.
 */
import { isStepgateError } from "../core/errors.ts";
import type { Digest, TenantUid } from "../core/ids.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { parseJson } from "../core/parse-json.ts";
import type { BudgetSideRow, QuotaRow, TenantRow, TenantStore, ToolRow } from "../tenancy/ports.ts";
import { findTogether } from "./find-together.ts";
import { jsonObject, jsonText } from "./json-rows.ts";
import { type Connection, INSTANCE_SCOPE, type TenantPool } from "./pool.ts";
import * as sql from "./statements/tenants.ts";

export function makeTenantStore(pool: TenantPool): TenantStore {
  const instance = pool.within(INSTANCE_SCOPE);
  const find: TenantStore["find"] = findTogether(async (tenantIds) => {
    const { rows } = await instance.query<FoundColumns>(sql.FIND_TENANT, [tenantIds]);
    return new Map(
      rows.map((row) => [
        row.tenant_id,
        { tenantUid: row.tenant_uid, tenantId: row.tenant_id, authorityVersion: row.authority_version },
      ]),
    );
  });
  const read = async (tenantUid: TenantUid): Promise<readonly TenantRow[]> =>
    (await pool.within(tenantUid).query<TenantColumns>(sql.READ_TENANT, [tenantUid])).rows.map(tenantRow);
  return {
    find,
    get: async (tenantId) => {
      const found = await find(tenantId);
      return found && (await read(found.tenantUid))[0];
    },
    list: async ({ tenantUid, after, limit }) => {
      const values = [tenantUid ?? null, after ?? null, limit];
      const { rows } = await instance.query<Pick<TenantColumns, "tenant_uid">>(sql.LIST_TENANTS, values);
      const tenants: TenantRow[] = [];
      // one after the other: each takes a connection into a scope of its own
      for (const row of rows) tenants.push(...(await read(row.tenant_uid)));
      return tenants;
    },
    put: async (tenant) => {
      const put = async () => {
        const tenantUid = (await find(tenant.tenantId))?.tenantUid ?? tenant.tenantUid;
        return pool.within(tenantUid).transaction((connection) => putTenant(connection, { ...tenant, tenantUid }));
      };
      try {
        return await put();
      } catch (caught) {
        // two at once with one name: the slower one finds the faster one's tenant
        if (isStepgateError(caught, "STORE_REFUSED") && caught.detail["sqlState"] === ROW_SECURITY) return put();
        throw caught;
      }
    },
    ensure: async ({ tenantUid, tenantId, settings }) => {
      await pool.within(tenantUid).query(sql.ENSURE_TENANT, [tenantUid, tenantId, jsonText(settings)]);
    },
    authority: async (tenantUid) => {
      const { rows } = await pool.within(tenantUid).query<AuthorityColumns>(sql.READ_AUTHORITY, [tenantUid]);
      const [row] = rows;
      return (
        row && {
          tenantUid: row.tenant_uid,
          tenantId: row.tenant_id,
          version: row.authority_version,
          settings: jsonObject(row.settings),
          executorSettings: jsonObject(row.executor_settings),
          sinks: row.sinks,
        }
      );
    },
    ceilings: async (tenantUid) => {
      const { rows } = await pool
        .within(tenantUid)
        .query<{ quota_id: string; unit: "tokens" | "usd_micros"; quota_limit: number }>(sql.READ_CEILINGS, [
          tenantUid,
        ]);
      return rows.map((row) => ({ id: row.quota_id, unit: row.unit, limit: row.quota_limit }));
    },
    quotaUsage: async (tenantUid) => {
      const { rows } = await pool.within(tenantUid).query<UsageColumns>(sql.READ_QUOTA_USAGE, [tenantUid]);
      return rows.map((row) => ({
        id: row.quota_id,
        unit: row.unit,
        window: row.quota_window,
        limit: row.quota_limit,
        used: row.used,
        reserved: row.reserved,
        overrun: row.overrun,
        resetsAtMs: row.resets_at_ms ?? undefined,
        isWarned: row.is_warned,
      }));
    },
    runBudgets: async (tenantUid, after, limit) => {
      const { rows } = await pool
        .within(tenantUid)
        .query<BudgetColumns>(sql.READ_RUN_BUDGETS, [tenantUid, after ?? null, limit]);
      return rows.map((row) => ({
        runUid: row.run_uid,
        isWarned: row.is_warned,
        tokens: side(row.tokens_limit, row.tokens_used, row.tokens_reserved, row.tokens_overrun),
        usdMicros: side(row.usd_micros_limit, row.usd_micros_used, row.usd_micros_reserved, row.usd_micros_overrun),
      }));
    },
    executorSettings: async (tenantUid) => {
      const { rows } = await pool
        .within(tenantUid)
        .query<{ type: string; settings: string; version: number }>(sql.READ_EXECUTOR_SETTINGS, [tenantUid]);
      return rows.map((row) => ({ type: row.type, settings: jsonObject(row.settings), version: row.version }));
    },
    putExecutorSettings: ({ tenantUid, type, settings, actor }) =>
      change(pool, { tenantUid, actor, action: "executor.settings.update", resource: { type } }, async (connection) => {
        await connection.query(sql.UPSERT_EXECUTOR_SETTINGS, [tenantUid, type, jsonText(settings)]);
      }),
    tools: async (tenantUid, after, limit) =>
      (await pool.within(tenantUid).query<ToolColumns>(sql.LIST_TOOLS, [tenantUid, after ?? null, limit])).rows.map(
        toolRow,
      ),
    tool: async (tenantUid, name, version) => {
      const { rows } = await pool
        .within(tenantUid)
        .query<ToolColumns>(sql.READ_TOOL, [tenantUid, name, version ?? null]);
      return rows[0] && toolRow(rows[0]);
    },
    toolPins: async (tenantUid, names) =>
      (await pool.within(tenantUid).query<PinColumns>(sql.READ_TOOL_PINS, [tenantUid, names])).rows.map(
        ({ defaults, ...pin }) => ({ ...pin, defaults: objectOrEmpty(defaults) }),
      ),
    toolVersions: async (tenantUid, name, limit) =>
      (await pool.within(tenantUid).query<VersionColumns>(sql.LIST_TOOL_VERSIONS, [tenantUid, name, limit])).rows.map(
        ({ version, digest, created_at_ms: createdAtMs }) => ({ version, digest, createdAtMs }),
      ),
    insertTool: ({ tenantUid, tool, actor }) =>
      pool.within(tenantUid).transaction(async (connection) => {
        const { name, version, digest, definition } = tool;
        const { rows } = await connection.query<ToolColumns>(sql.INSERT_TOOL, [
          tenantUid,
          name,
          version,
          digest,
          jsonText(definition),
        ]);
        if (rows[0] === undefined) return undefined;
        await record(connection, { tenantUid, actor, action: "tool.put", resource: { name, version, digest } });
        return toolRow(rows[0]);
      }),
  };
}

/** The row is another tenant's; not told apart from a privilege that is missing. */
const ROW_SECURITY = "42501";

interface Change {
  readonly tenantUid: TenantUid;
  readonly actor: string;
  readonly action: string;
  readonly resource: JsonObject;
}

/** One audited change of what decisions rest on. */
async function change(
  pool: TenantPool,
  { tenantUid, actor, action, resource }: Change,
  write: (connection: Connection) => Promise<void>,
): Promise<void> {
  await pool.within(tenantUid).transaction(async (connection) => {
    await write(connection);
    await record(connection, { tenantUid, actor, action, resource });
  });
}

/** Whoever decided on what was before decides anew, and the audit log says who changed it. */
async function record(connection: Connection, { tenantUid, actor, action, resource }: Change): Promise<void> {
  await connection.query(sql.BUMP_AUTHORITY, [tenantUid]);
  await connection.query(sql.APPEND_AUDIT, [tenantUid, actor, action, jsonText(resource)]);
}

async function putTenant(
  connection: Connection,
  tenant: Parameters<TenantStore["put"]>[0],
): Promise<{ readonly isNew: boolean }> {
  await connection.query(sql.LOCK_QUOTAS, [tenant.tenantUid]);
  const { rows } = await connection.query<{ tenant_uid: TenantUid; is_new: boolean }>(sql.UPSERT_TENANT, [
    tenant.tenantUid,
    tenant.tenantId,
    tenant.weight,
    tenant.isPaused,
    jsonText(tenant.settings),
  ]);
  const { tenant_uid: tenantUid, is_new: isNew } = rows[0] ?? { tenant_uid: tenant.tenantUid, is_new: false };
  // in the order in which batches lock their usage
  const quotas = [...tenant.quotas].sort((one, other) => (one.id < other.id ? -1 : 1));
  await connection.query(sql.DELETE_QUOTAS, [
    tenantUid,
    quotas.map(({ id }) => id),
    quotas.map(({ unit }) => unit),
    quotas.map(({ window }) => window),
  ]);
  await connection.query(sql.DELETE_LEFT_USAGE, [tenantUid]);
  for (const quota of quotas) {
    await connection.query(sql.UPSERT_QUOTA, [tenantUid, quota.id, quota.unit, quota.window, quota.limit]);
    await connection.query(sql.ALIGN_QUOTA_USAGE, [tenantUid, quota.id, quota.limit]);
  }
  const action = isNew ? "tenant.create" : "tenant.update";
  await connection.query(sql.APPEND_AUDIT, [
    tenantUid,
    tenant.actor,
    action,
    jsonText({ tenant_id: tenant.tenantId, quotas: tenant.quotas.length }),
  ]);
  return { isNew };
}

interface FoundColumns {
  readonly tenant_uid: TenantUid;
  readonly tenant_id: string;
  readonly authority_version: number;
}

interface TenantColumns {
  readonly tenant_uid: TenantUid;
  readonly tenant_id: string;
  readonly authority_version: number;
  readonly weight: number;
  readonly is_paused: boolean;
  readonly settings: string;
  readonly quotas: string;
  readonly created_at_ms: number;
}

function tenantRow(row: TenantColumns): TenantRow {
  const quotas = parseJson(row.quotas);
  return {
    tenantUid: row.tenant_uid,
    tenantId: row.tenant_id,
    version: row.authority_version,
    weight: row.weight,
    isPaused: row.is_paused,
    settings: jsonObject(row.settings),
    // built by the statement itself in exactly this form
    quotas: Array.isArray(quotas) ? (quotas.filter(isJsonObject) as unknown[] as QuotaRow[]) : [],
    createdAtMs: row.created_at_ms,
  };
}

interface AuthorityColumns {
  readonly tenant_uid: TenantUid;
  readonly tenant_id: string;
  readonly authority_version: number;
  readonly settings: string;
  readonly executor_settings: string;
  readonly sinks: readonly string[];
}

interface UsageColumns {
  readonly quota_id: string;
  readonly unit: QuotaRow["unit"];
  readonly quota_window: QuotaRow["window"];
  readonly quota_limit: number;
  readonly used: number;
  readonly reserved: number;
  readonly overrun: number;
  readonly resets_at_ms: number | null;
  readonly is_warned: boolean;
}

interface BudgetColumns {
  readonly run_uid: string;
  readonly is_warned: boolean;
  readonly tokens_limit: number | null;
  readonly tokens_used: number;
  readonly tokens_reserved: number;
  readonly tokens_overrun: number;
  readonly usd_micros_limit: number | null;
  readonly usd_micros_used: number;
  readonly usd_micros_reserved: number;
  readonly usd_micros_overrun: number;
}

function side(limit: number | null, used: number, reserved: number, overrun: number): BudgetSideRow {
  return { limit: limit ?? undefined, used, reserved, overrun };
}

interface VersionColumns {
  readonly version: number;
  readonly digest: Digest;
  readonly created_at_ms: number;
}

interface ToolColumns extends VersionColumns {
  readonly name: string;
  readonly definition: string;
}

interface PinColumns extends Omit<VersionColumns, "created_at_ms"> {
  readonly name: string;
  readonly defaults: string | null;
}

function toolRow(row: ToolColumns): ToolRow {
  return {
    name: row.name,
    version: row.version,
    digest: row.digest,
    definition: objectOrEmpty(row.definition),
    createdAtMs: row.created_at_ms,
  };
}

/** One tool that cannot be read must not hide the others; what is missing is refused where it is used. */
function objectOrEmpty(text: string | null): JsonObject {
  try {
    return text === null ? {} : jsonObject(text);
  } catch (caught) {
    if (isStepgateError(caught)) return {};
    throw caught;
  }
}
