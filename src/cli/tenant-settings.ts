/**
 * A tenant's settings as they may be sent back: whole, so that a change of one leaves the rest.
 *
 * Not here: what may be in them (gateway/views/tenant.ts).
 */
import type { JsonObject } from "../core/json.ts";
import type { TenantSettings } from "./wire.ts";

const DEFAULT_TENANT = "default";

export function tenantPath(tenant: string | undefined): string {
  return `/v1/tenants/${encodeURIComponent(tenant ?? DEFAULT_TENANT)}`;
}

/** What `PUT` of the same path takes. */
export function settingsOf({
  id: _id,
  tenant_uid: _uid,
  version: _version,
  created_at: _at,
  ...settings
}: TenantSettings): JsonObject {
  return settings as JsonObject;
}
