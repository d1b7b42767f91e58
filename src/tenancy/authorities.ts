/**
 * The tenant's authority as decisions use it, remembered by version: read once per change, not once per step.
 *
 * In: a tenant and the version its claim saw. Out: that authority or a newer one; *admit* compares again, so an old value
 * can decide nothing that runs. Not here: changing it (tenants.ts).
 */
import { StepgateError } from "../core/errors.ts";
import type { TenantUid } from "../core/ids.ts";
import { ISOLATION_LEVELS, type IsolationLevel } from "../core/isolation.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import type { TenantAuthority } from "../core/tenant.ts";
import type { AuthorityRow, TenantStore } from "./ports.ts";

export interface Authorities {
  /** Exactly this version or a newer one. @throws {StepgateError} NOT_FOUND for no such tenant. */
  readonly at: (tenantUid: TenantUid, version: number) => Promise<TenantAuthority>;
  /** As it stands now. */
  readonly now: (tenantUid: TenantUid) => Promise<TenantAuthority>;
}

export function makeAuthorities(store: Pick<TenantStore, "authority">): Authorities {
  const known = new Map<TenantUid, TenantAuthority>();
  const load = async (tenantUid: TenantUid): Promise<TenantAuthority> => {
    const row = await store.authority(tenantUid);
    if (row === undefined) throw new StepgateError("NOT_FOUND", { tenant_uid: tenantUid });
    const authority = readAuthority(row);
    known.set(tenantUid, authority);
    return authority;
  };
  return {
    at: async (tenantUid, version) => {
      const remembered = known.get(tenantUid);
      return remembered !== undefined && remembered.version >= version ? remembered : load(tenantUid);
    },
    now: load,
  };
}

/**
 * Settings as stored, read with closed defaults: what is absent or malformed grants nothing. Where a floor is not of its form,
 * nobody knows how high it was: then no pack decides, and nothing runs.
 */
export function readAuthority(row: AuthorityRow): TenantAuthority {
  const { settings } = row;
  return {
    tenantUid: row.tenantUid,
    tenantId: row.tenantId,
    version: row.version,
    labels: objectOf(settings["labels"]),
    runtimePack: areFloorsRead(settings) ? textOf(settings["runtime_pack"]) : undefined,
    requiredGuardrails: textsOf(settings["required_guardrails"]),
    minIsolation: isolationOf(objectOf(settings["min_isolation"])),
    weakerIsolationAllowed: textsOf(settings["weaker_isolation_allowed"]),
    executorSettings: Object.fromEntries(
      Object.entries(row.executorSettings).filter((entry): entry is [string, JsonObject] => isJsonObject(entry[1])),
    ),
    sinks: row.sinks,
    defaultRequests: requestsOf(objectOf(settings["default_requests"])),
  };
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

function textOf(value: JsonValue | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function areFloorsRead({ required_guardrails: packs = [], min_isolation: levels = {} }: JsonObject): boolean {
  return Array.isArray(packs) && packs.every((pack) => typeof pack === "string") && isJsonObject(levels);
}

function textsOf(value: JsonValue | undefined): readonly string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
}

/** A level that is not one of ours becomes the strongest: the tenant meant something, and it was not "anything". */
function isolationOf(levels: JsonObject): Readonly<Record<string, IsolationLevel>> {
  return Object.fromEntries(
    Object.entries(levels).map(([type, level]) => [type, ISOLATION_LEVELS.find((known) => known === level) ?? "vm"]),
  );
}

function requestsOf(requests: JsonObject): TenantAuthority["defaultRequests"] {
  const count = (value: JsonValue | undefined): number =>
    typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : 0;
  return Object.fromEntries(
    Object.entries(requests).map(([type, request]) => [
      type,
      { tokens: count(objectOf(request)["tokens"]), usd_micros: count(objectOf(request)["usd_micros"]) },
    ]),
  );
}
