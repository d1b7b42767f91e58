/**
 * Tenants and what is used of their quotas, as platform teams set and see them (spec 09).
 *
 * In: whose key it is. Out: views. A tenant's key sees its own tenant; only a platform key of the instance makes or changes
 * one. Not here: HTTP, rows.
 */
import { StepgateError } from "../core/errors.ts";
import { type Ids, type TenantUid, UUID_PATTERN } from "../core/ids.ts";
import type { IsolationLevel } from "../core/isolation.ts";
import type { JsonObject } from "../core/json.ts";
import { pageOfRows } from "../core/page-of-rows.ts";
import type { QuotaRow, TenantRow, TenantStore } from "./ports.ts";

/** What people set of a tenant beside weight, pause and quotas; stored as it was checked at the API. */
export interface TenantSettings {
  readonly runtime_pack?: string;
  readonly required_guardrails: readonly string[];
  readonly min_isolation: Readonly<Record<string, IsolationLevel>>;
  readonly weaker_isolation_allowed: readonly string[];
  readonly default_requests: Readonly<Record<string, { readonly tokens: number; readonly usd_micros: number }>>;
  /** Most steps that run at once, by concurrency key. */
  readonly concurrency_limits?: Readonly<Record<string, number>>;
  /** What the tenant's sinks may reach: public hosts, and exact places in private networks. */
  readonly sink_hosts?: readonly string[];
  readonly sink_private_hosts?: readonly string[];
  /** Of a budget or quota that is used before a warning is written. */
  readonly warn_ratio_ppm?: number;
  readonly retention_days: number;
  readonly decision_input_days?: number;
  readonly transparency_scope: "disabled" | "gates" | "runs" | "artifacts";
  readonly labels: JsonObject;
}

/** What a first start gives the tenant `default`: the baseline pack decides and is the floor. */
export const DEFAULT_TENANT_ID = "default";
export const DEFAULT_TENANT_SETTINGS = {
  runtime_pack: "baseline",
  required_guardrails: ["baseline"],
  min_isolation: {},
  weaker_isolation_allowed: [],
  default_requests: {},
  retention_days: 365,
  transparency_scope: "gates",
  labels: {},
} as const satisfies TenantSettings & JsonObject;

/** Everything of a tenant that people set. */
export interface TenantSubmission extends TenantSettings {
  readonly weight: number;
  readonly is_paused: boolean;
  readonly quotas: readonly QuotaRow[];
}

/** What pages of budgets go by. */
const RUN_UID = new RegExp(UUID_PATTERN);

interface Holder {
  readonly keyId: string;
  readonly roles: readonly string[];
  readonly tenant: { readonly tenantUid: TenantUid; readonly tenantId: string } | "all";
}

export interface TenantDeps {
  readonly store: TenantStore;
  readonly ids: Ids;
  /** Packs that can be assigned. */
  readonly isPack: (name: string) => boolean;
}

export function makeTenants({ store, ids, isPack }: TenantDeps) {
  const view = async (tenantId: string) => {
    const row = await store.get(tenantId);
    return row && viewTenant(row);
  };
  return {
    list: async ({
      holder,
      after,
      limit,
    }: {
      readonly holder: Holder;
      readonly after: string | undefined;
      readonly limit: number;
    }) => {
      const tenantUid = holder.tenant === "all" ? undefined : holder.tenant.tenantUid;
      const read = (mostRows: number) => store.list({ tenantUid, after, limit: mostRows });
      const { rows, ...next } = await pageOfRows(limit, read, ({ tenantId }) => tenantId);
      return { items: rows.map(viewTenant), ...next };
    },
    get: async ({ holder, tenantId }: { readonly holder: Holder; readonly tenantId: string }) =>
      holder.tenant === "all" || holder.tenant.tenantId === tenantId ? view(tenantId) : undefined,
    put: async ({
      holder,
      tenantId,
      submission,
    }: {
      readonly holder: Holder;
      readonly tenantId: string;
      readonly submission: TenantSubmission;
    }) => {
      if (holder.tenant !== "all" || !holder.roles.includes("platform"))
        throw new StepgateError("FORBIDDEN", { need: "platform" });
      const { weight, is_paused: isPaused, quotas, ...settings } = submission;
      refuseUnknownPacks(settings, isPack);
      refuseUnclearQuotas(quotas);
      const { isNew } = await store.put({
        tenantUid: ids.uuid() as TenantUid,
        tenantId,
        weight,
        isPaused,
        quotas,
        settings: { ...settings },
        actor: `key:${holder.keyId}`,
      });
      const tenant = await view(tenantId);
      if (tenant === undefined)
        throw new StepgateError("INTERNAL", { reason: "a tenant that was just written is not there" });
      return { tenant, isNew };
    },
  };
}

/** A pack that does not exist would refuse every step later; it is refused where it is set. */
function refuseUnknownPacks(
  { runtime_pack: runtimePack, required_guardrails: guardrails }: TenantSettings,
  isPack: (name: string) => boolean,
): void {
  for (const name of [...(runtimePack === undefined ? [] : [runtimePack]), ...guardrails]) {
    if (!isPack(name)) throw new StepgateError("PACK_NOT_FOUND", { pack: name });
  }
}

/** Two limits of one name would leave open which holds; what runs at the same time is counted without a window. */
function refuseUnclearQuotas(quotas: readonly QuotaRow[]): void {
  for (const [index, { id, unit, window }] of quotas.entries()) {
    if (quotas.findIndex((other) => other.id === id) !== index)
      throw new StepgateError("FIELD_INVALID", { field: `/quotas/${index}/id`, reason: "given twice" });
    if (unit === "concurrent_steps" && window !== "lifetime")
      throw new StepgateError("FIELD_INVALID", { field: `/quotas/${index}/window`, reason: "must be lifetime" });
  }
}

export function viewTenant(row: TenantRow) {
  // a tenant without a runtime pack must not look as if it had the default one
  const { runtime_pack: _default, ...defaults }: TenantSettings = DEFAULT_TENANT_SETTINGS;
  return {
    id: row.tenantId,
    tenant_uid: row.tenantUid,
    version: row.version,
    created_at: new Date(row.createdAtMs).toISOString(),
    ...defaults,
    // written by `put` from a checked submission, or by a first start
    ...(row.settings as JsonObject & TenantSettings),
    weight: row.weight,
    is_paused: row.isPaused,
    quotas: row.quotas,
  };
}

/** Quotas in their present windows and the budgets of open runs. */
export function makeBudgets(store: Pick<TenantStore, "quotaUsage" | "runBudgets">) {
  return async ({
    tenantUid,
    after,
    limit,
  }: {
    readonly tenantUid: TenantUid;
    readonly after: string | undefined;
    readonly limit: number;
  }) => {
    if (after !== undefined && !RUN_UID.test(after))
      throw new StepgateError("FIELD_INVALID", { field: "/querystring/after" });
    const read = (mostRows: number) => store.runBudgets(tenantUid, after, mostRows);
    const [quotas, { rows: budgets, ...next }] = await Promise.all([
      store.quotaUsage(tenantUid),
      pageOfRows(limit, read, ({ runUid }) => runUid),
    ]);
    return {
      quotas: quotas.map(({ resetsAtMs, isWarned, ...quota }) => ({
        ...quota,
        is_warned: isWarned,
        remaining: Math.max(0, quota.limit - quota.used - quota.reserved),
        ...(resetsAtMs === undefined ? {} : { resets_at: new Date(resetsAtMs).toISOString() }),
      })),
      runs: budgets.map(({ runUid, isWarned, tokens, usdMicros }) => ({
        run_uid: runUid,
        is_warned: isWarned,
        budget: { tracked: true, tokens: allowance(tokens), usd_micros: allowance(usdMicros) },
      })),
      ...next,
    };
  };
}

function allowance({
  limit,
  used,
  reserved,
  overrun,
}: {
  readonly limit: number | undefined;
  readonly used: number;
  readonly reserved: number;
  readonly overrun: number;
}) {
  return {
    ...(limit === undefined ? {} : { limit, remaining: Math.max(0, limit - used - reserved) }),
    used,
    reserved,
    overrun,
  };
}
