/**
 * What the tenant keeps, and when it goes. The route translates.
 *
 * Not here: setting retention_days (tenants.ts), removing (scheduler/retention.ts).
 */
import { callerOf } from "../access.ts";
import type { Api } from "../parts.ts";
import type { Retention } from "../ports/usage.ts";
import { RetentionView } from "../views/retention.ts";
import { ref } from "../views/schema.ts";

export function retentionRoutes(app: Api, { retention }: { readonly retention: Retention }): void {
  app.get(
    "/v1/retention",
    {
      schema: {
        operationId: "getRetention",
        summary: "See what is kept, and when it goes",
        description: "Runs of the tenant by window of history: how many would go now, why others stay, when they go.",
        tags: ["tenants"],
        response: { 200: ref(RetentionView) },
      },
    },
    async (request) => retention.get({ caller: callerOf(request) }),
  );
}
