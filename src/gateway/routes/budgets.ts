/**
 * What the tenant's quotas and its open runs' budgets hold. The route translates.
 *
 * Not here: setting quotas (tenants.ts), a run's own budget (runs.ts).
 */
import { callerOf } from "../access.ts";
import { type Api, PageQuery, readPage } from "../parts.ts";
import type { Budgets } from "../ports/usage.ts";
import { ref } from "../views/schema.ts";
import { BudgetsView } from "../views/tenant.ts";

export function budgetRoutes(app: Api, { budgets }: { readonly budgets: Budgets }): void {
  app.get(
    "/v1/budgets",
    {
      schema: {
        operationId: "getBudgets",
        summary: "See quotas and budgets",
        description: "Quotas in their present window, and the budgets of runs that have not ended, by page.",
        tags: ["tenants"],
        querystring: PageQuery,
        response: { 200: ref(BudgetsView) },
      },
    },
    async (request) => budgets.get({ caller: callerOf(request), ...readPage(request.query) }),
  );
}
