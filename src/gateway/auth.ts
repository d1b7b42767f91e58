/**
 * Who calls, and in which tenant: from the credential alone (spec 09, spec 10 inbound).
 *
 * A tenant's key acts in its tenant. A key of the instance acts in the tenant that the header `stepgate-tenant` names, in
 * `default` without it; from any other key that header is refused. Not here: roles of routes (roles.ts), keys (ports).
 */
import type { IncomingHttpHeaders } from "node:http";
import { StepgateError } from "../core/errors.ts";
import { NAME_PATTERN } from "../core/ids.ts";
import type { Authenticator, Caller, KeyHolder, TenantRef } from "./ports/caller.ts";
import type { Access } from "./roles.ts";

export const TENANT_HEADER = "stepgate-tenant";
export const DEFAULT_TENANT = "default";

/** RFC 6750 §2.1; a key text is visible ASCII, since an operator may choose the first one. */
const BEARER = /^bearer ([\x21-\x7e]{1,512})$/i;
const TENANT_NAME = new RegExp(NAME_PATTERN);

export interface Authority {
  readonly holder: KeyHolder;
  /** Undefined on routes about the instance. */
  readonly caller: Caller | undefined;
}

export type Authorize = (
  headers: IncomingHttpHeaders,
  access: Exclude<Access, { who: "anyone" }>,
) => Promise<Authority>;

/**
 * Makes the check of a request's credential against a route's access.
 *
 * @throws {StepgateError} (the check) UNAUTHENTICATED, FORBIDDEN, NOT_FOUND for a tenant that does not exist,
 *   REQUEST_MALFORMED for a tenant's key that names a tenant.
 */
export function makeAuthorize(authenticator: Authenticator): Authorize {
  return async (headers, access) => {
    const bearer = BEARER.exec(headers.authorization ?? "")?.[1];
    const found = bearer === undefined ? undefined : await authenticator.authenticate(bearer);
    if (found === undefined) throw new StepgateError("UNAUTHENTICATED");
    const holder = withoutForeignRoles(found);
    if (!holder.roles.some((role) => access.roles.includes(role))) throw new StepgateError("FORBIDDEN");
    if (access.who === "holder") return { holder, caller: undefined };
    const tenant = await tenantOf(holder, headers[TENANT_HEADER], authenticator);
    const { keyId, owner, roles } = holder;
    return { holder, caller: { keyId, owner, roles, ...tenant, isInstanceWide: holder.tenant === "all" } };
  };
}

/** `platform` is about the instance: a tenant's key never has it, whatever its row says. */
function withoutForeignRoles(holder: KeyHolder): KeyHolder {
  return holder.tenant === "all" ? holder : { ...holder, roles: holder.roles.filter((role) => role !== "platform") };
}

async function tenantOf(
  { tenant }: KeyHolder,
  named: string | readonly string[] | undefined,
  authenticator: Authenticator,
): Promise<TenantRef> {
  if (tenant !== "all") {
    // whatever it names: an answer that depended on the name would tell which tenants exist
    if (named !== undefined)
      throw new StepgateError("REQUEST_MALFORMED", { reason: `this key sends no ${TENANT_HEADER}` });
    return tenant;
  }
  const tenantId = named ?? DEFAULT_TENANT;
  const found =
    typeof tenantId === "string" && TENANT_NAME.test(tenantId) ? await authenticator.findTenant(tenantId) : undefined;
  if (found === undefined) throw new StepgateError("NOT_FOUND");
  return found;
}
