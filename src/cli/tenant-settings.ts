/**
 * A tenant's settings as they may be sent back: read whole, so that a change of one leaves the rest.
 *
 * Not here: what may be in them (gateway/views/tenant.ts).
 */
import type { JsonObject } from "../core/json.ts";
import type { Api } from "./api.ts";
import { TenantSettings } from "./wire.ts";

const DEFAULT_TENANT = "default";

export function tenantPath(tenant: string | undefined): string {
  return `/v1/tenants/${encodeURIComponent(tenant ?? DEFAULT_TENANT)}`;
}

/** What `PUT` of the same path takes, and its quotas. @throws {StepgateError} NOT_FOUND. */
export async function readSettings(
  api: Api,
  path: string,
): Promise<{ readonly settings: JsonObject; readonly quotas: TenantSettings["quotas"] }> {
  const found = await api.get(path, TenantSettings);
  const { id: _id, tenant_uid: _uid, version: _version, created_at: _at, ...settings } = found;
  return { settings: settings as JsonObject, quotas: found.quotas };
}
