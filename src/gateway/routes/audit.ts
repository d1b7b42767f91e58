/**
 * What was done in the tenant. The route translates.
 *
 * Not here: writing the chain (in the transaction that acts), checking it (evidence/audit-chain.ts).
 */
import { callerOf } from "../access.ts";
import { type Api, PageQuery, readPage } from "../parts.ts";
import type { Audit } from "../ports/evidence.ts";
import { AuditPage } from "../views/audit.ts";
import { ref } from "../views/schema.ts";

export function auditRoutes(app: Api, { audit }: { readonly audit: Audit }): void {
  app.get(
    "/v1/audit",
    {
      schema: {
        operationId: "listAudit",
        summary: "List what was done",
        description:
          "Every action in the tenant, in the order of the hash chain, with what it takes to check the chain.",
        tags: ["evidence"],
        querystring: PageQuery,
        response: { 200: ref(AuditPage) },
      },
    },
    async (request) => audit.list({ caller: callerOf(request), ...readPage(request.query) }),
  );
}
