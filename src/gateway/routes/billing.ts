/**
 * Bills, added up again from the ledger. The route translates.
 *
 * Not here: adding up (tenancy/billing.ts), quotas and budgets (budgets.ts).
 */
import { callerOf } from "../access.ts";
import type { Api } from "../parts.ts";
import type { Billing } from "../ports/usage.ts";
import { BillingQuery, BillingView } from "../views/billing.ts";
import { ref } from "../views/schema.ts";

export function billingRoutes(app: Api, { billing }: { readonly billing: Billing }): void {
  app.get(
    "/v1/billing",
    {
      schema: {
        operationId: "recomputeBilling",
        summary: "Add bills up again from the ledger",
        description: "Per day of the tenant: what was billed, what the ledger adds up to, and whether both are equal.",
        tags: ["tenants"],
        querystring: BillingQuery,
        response: { 200: ref(BillingView) },
      },
    },
    async (request) => billing.recompute({ caller: callerOf(request), from: request.query.from, to: request.query.to }),
  );
}
