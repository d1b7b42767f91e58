/**
 * What the tenancy room needs stored: tenants, quotas, keys, tools, secrets, settings, usage.
 *
 * Every change is audited in its own transaction and raises the tenant's authority version. Not here: SQL (storage/).
 */
import type { Digest, TenantUid } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import type { SealedText } from "../core/vault.ts";

export interface FoundTenant {
  readonly tenantUid: TenantUid;
  readonly tenantId: string;
  readonly authorityVersion: number;
}

export interface QuotaRow {
  readonly id: string;
  readonly unit: "tokens" | "usd_micros" | "runs" | "concurrent_steps";
  readonly window: "minute" | "day" | "month" | "lifetime";
  readonly limit: number;
}

export interface TenantRow {
  readonly tenantUid: TenantUid;
  readonly tenantId: string;
  readonly version: number;
  readonly weight: number;
  readonly isPaused: boolean;
  readonly settings: JsonObject;
  readonly quotas: readonly QuotaRow[];
  readonly createdAtMs: number;
}

export interface QuotaUsageRow extends QuotaRow {
  readonly used: number;
  readonly reserved: number;
  readonly overrun: number;
  readonly resetsAtMs: number | undefined;
  /** What is used has passed the tenant's warn ratio. */
  readonly isWarned: boolean;
}

export interface RunBudgetRow {
  readonly runUid: string;
  readonly isWarned: boolean;
  readonly tokens: BudgetSideRow;
  readonly usdMicros: BudgetSideRow;
}

export interface BudgetSideRow {
  readonly limit: number | undefined;
  readonly used: number;
  readonly reserved: number;
  readonly overrun: number;
}

/** What ended within a day. */
export interface BilledSum {
  readonly attempts: number;
  readonly tokens: number;
  readonly usdMicros: number;
}

export interface BillingStore {
  /** The first day (UTC) of which no row of the ledger has gone with its run; undefined: none has. */
  readonly wholeFrom: (tenantUid: TenantUid) => Promise<string | undefined>;
  /** Days (UTC, `YYYY-MM-DD`) from the first to before the second on which either side has something, in order. */
  readonly days: (
    tenantUid: TenantUid,
    fromDay: string,
    beforeDay: string,
  ) => Promise<readonly { readonly day: string; readonly billed: BilledSum; readonly ledger: BilledSum }[]>;
}

export interface RetentionStore {
  readonly summary: (tenantUid: TenantUid) => Promise<{
    readonly retentionDays: number;
    readonly decisionInputDays: number;
    readonly retiredRuns: number;
    readonly retiredAtMs: number | undefined;
  }>;
  /** Oldest first; without a name, what outlives its window. */
  readonly windows: (tenantUid: TenantUid) => Promise<
    readonly {
      readonly name: string | undefined;
      readonly endsAtMs: number | undefined;
      readonly runs: number;
      readonly due: number;
      readonly unfinished: number;
      readonly linked: number;
      readonly unsealed: number;
      readonly undelivered: number;
      readonly retained: number;
      readonly firstDueAtMs: number | undefined;
      readonly lastDueAtMs: number | undefined;
    }[]
  >;
}

export interface ApiKeyRow {
  readonly keyId: string;
  readonly tenantUid: TenantUid | undefined;
  readonly tenantId: string | undefined;
  /** Of its tenant; undefined for a key of the instance. */
  readonly authorityVersion: number | undefined;
  readonly owner: string;
  readonly roles: readonly string[];
  readonly createdAtMs: number;
  readonly expiresAtMs: number | undefined;
  readonly revokedAtMs: number | undefined;
  readonly lastUsedAtMs: number | undefined;
}

export interface NewApiKey {
  readonly keyId: string;
  readonly secretHash: Uint8Array;
  readonly tenantUid: TenantUid | undefined;
  readonly owner: string;
  readonly roles: readonly string[];
  readonly expiresAtMs: number | undefined;
}

export interface ToolRow {
  readonly name: string;
  readonly version: number;
  readonly digest: Digest;
  /** As it was written by whatever release (read-definition.ts); empty where it is no object. */
  readonly definition: JsonObject;
  readonly createdAtMs: number;
}

export type ToolVersionRow = Pick<ToolRow, "version" | "digest" | "createdAtMs">;

/** What a step is bound to. */
export interface ToolPinRow extends Pick<ToolRow, "name" | "version" | "digest"> {
  readonly defaults: JsonObject;
}

/** Who acts, for the audit log. */
export interface Actor {
  readonly actor: string;
}

export interface AuthorityRow {
  readonly tenantUid: TenantUid;
  readonly tenantId: string;
  readonly version: number;
  readonly settings: JsonObject;
  readonly executorSettings: JsonObject;
  readonly sinks: readonly string[];
}

export interface TenantStore {
  readonly find: (tenantId: string) => Promise<FoundTenant | undefined>;
  readonly get: (tenantId: string) => Promise<TenantRow | undefined>;
  readonly list: (input: {
    readonly tenantUid: TenantUid | undefined;
    readonly after: string | undefined;
    readonly limit: number;
  }) => Promise<readonly TenantRow[]>;
  readonly put: (input: Actor & Omit<TenantRow, "version" | "createdAtMs">) => Promise<{ readonly isNew: boolean }>;
  /** The tenant of a first start; one that is there stays as it is. */
  readonly ensure: (tenant: {
    readonly tenantUid: TenantUid;
    readonly tenantId: string;
    readonly settings: JsonObject;
  }) => Promise<void>;
  readonly authority: (tenantUid: TenantUid) => Promise<AuthorityRow | undefined>;
  readonly ceilings: (
    tenantUid: TenantUid,
  ) => Promise<readonly { readonly id: string; readonly unit: "tokens" | "usd_micros"; readonly limit: number }[]>;
  readonly quotaUsage: (tenantUid: TenantUid) => Promise<readonly QuotaUsageRow[]>;
  readonly runBudgets: (
    tenantUid: TenantUid,
    after: string | undefined,
    limit: number,
  ) => Promise<readonly RunBudgetRow[]>;
  readonly executorSettings: (
    tenantUid: TenantUid,
  ) => Promise<readonly { readonly type: string; readonly settings: JsonObject; readonly version: number }[]>;
  readonly putExecutorSettings: (
    input: Actor & { readonly tenantUid: TenantUid; readonly type: string; readonly settings: JsonObject },
  ) => Promise<void>;
  readonly tools: (tenantUid: TenantUid, after: string | undefined, limit: number) => Promise<readonly ToolRow[]>;
  readonly tool: (tenantUid: TenantUid, name: string, version: number | undefined) => Promise<ToolRow | undefined>;
  /** The newest version of each of these that is registered. */
  readonly toolPins: (tenantUid: TenantUid, names: readonly string[]) => Promise<readonly ToolPinRow[]>;
  /** Newest first. */
  readonly toolVersions: (tenantUid: TenantUid, name: string, limit: number) => Promise<readonly ToolVersionRow[]>;
  /** Undefined when the version is there already: then nothing was changed. */
  readonly insertTool: (
    input: Actor & { readonly tenantUid: TenantUid; readonly tool: Omit<ToolRow, "createdAtMs"> },
  ) => Promise<ToolRow | undefined>;
}

export interface ApiKeyStore {
  /** A key that counts now, with the hash of its secret. */
  readonly findActive: (keyId: string) => Promise<(ApiKeyRow & { readonly secretHash: Uint8Array }) | undefined>;
  readonly touch: (keyId: string) => Promise<void>;
  readonly list: (input: {
    readonly tenantUid: TenantUid;
    readonly withInstance: boolean;
    readonly after: { readonly createdAtMs: number; readonly keyId: string } | undefined;
    readonly limit: number;
  }) => Promise<readonly ApiKeyRow[]>;
  readonly get: (input: {
    readonly keyId: string;
    readonly tenantUid: TenantUid;
    readonly withInstance: boolean;
  }) => Promise<ApiKeyRow | undefined>;
  readonly insert: (input: Actor & { readonly key: NewApiKey; readonly auditTenant: TenantUid }) => Promise<void>;
  readonly revoke: (
    input: Actor & { readonly keyId: string; readonly tenantUid: TenantUid; readonly withInstance: boolean },
  ) => Promise<boolean>;
}

/** A secret as people see it: never its value. */
export interface SecretRow {
  readonly name: string;
  readonly version: number;
  readonly fitsHeader: boolean;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

export interface SealedSecretRow extends Pick<SecretRow, "fitsHeader"> {
  readonly value: SealedText;
}

export interface SecretStore {
  readonly list: (tenantUid: TenantUid, after: string | undefined, limit: number) => Promise<readonly SecretRow[]>;
  /** Of these names those that are there. */
  readonly find: (tenantUid: TenantUid, names: readonly string[]) => Promise<readonly SecretRow[]>;
  /** With their sealed values, by name. */
  readonly read: (tenantUid: TenantUid, names: readonly string[]) => Promise<ReadonlyMap<string, SealedSecretRow>>;
  /** Tools whose newest version asks for it, by name. */
  readonly tools: (tenantUid: TenantUid, name: string, limit: number) => Promise<readonly string[]>;
  /** Makes it or replaces its value; the value before is erased. */
  readonly put: (
    input: Actor &
      Pick<SecretRow, "name" | "fitsHeader"> & { readonly tenantUid: TenantUid; readonly value: SealedText },
  ) => Promise<SecretRow>;
  /** Erases it; false where there is none. */
  readonly remove: (input: Actor & { readonly tenantUid: TenantUid; readonly name: string }) => Promise<boolean>;
}
