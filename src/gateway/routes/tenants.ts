/**
 * Tenants with their settings and quotas. The routes translate; a tenant's key sees its own tenant only (ports.ts).
 *
 * Not here: keys (keys.ts), what is used of quotas (budgets.ts).
 */
import Type from "typebox";
import { NAME_PATTERN } from "../../core/ids.ts";
import { holderOf } from "../access.ts";
import { type Api, PageQuery, readPage, WriteHeaders } from "../parts.ts";
import type { Tenants } from "../ports/settings.ts";
import { closedObject, ref } from "../views/schema.ts";
import { TenantPage, TenantSubmission, TenantView } from "../views/tenant.ts";
import { found } from "./found.ts";

const TenantPath = closedObject(
  { tenant: Type.String({ pattern: NAME_PATTERN, description: "The tenant's name." }) },
  "One tenant.",
);

export function tenantRoutes(app: Api, { tenants }: { readonly tenants: Tenants }): void {
  app.get(
    "/v1/tenants",
    {
      schema: {
        operationId: "listTenants",
        summary: "List tenants",
        tags: ["tenants"],
        querystring: PageQuery,
        response: { 200: ref(TenantPage) },
      },
    },
    async (request) => tenants.list({ holder: holderOf(request), ...readPage(request.query) }),
  );
  app.get(
    "/v1/tenants/:tenant",
    {
      schema: {
        operationId: "getTenant",
        summary: "Look at a tenant",
        tags: ["tenants"],
        params: TenantPath,
        response: { 200: ref(TenantView) },
      },
    },
    async (request) => found(await tenants.get({ holder: holderOf(request), tenantId: request.params.tenant })),
  );
  app.put(
    "/v1/tenants/:tenant",
    {
      schema: {
        operationId: "putTenant",
        summary: "Make a tenant or replace its settings",
        tags: ["tenants"],
        params: TenantPath,
        headers: WriteHeaders,
        body: ref(TenantSubmission),
        response: { 200: ref(TenantView), 201: ref(TenantView) },
      },
    },
    async (request, reply) => {
      const { tenant, isNew } = await tenants.put({
        holder: holderOf(request),
        tenantId: request.params.tenant,
        submission: request.body,
      });
      return reply.code(isNew ? 201 : 200).send(tenant);
    },
  );
}
