/**
 * The scenarios of the scheduler's bench; each is a file here and a line in this list.
 */
import { backlog } from "./backlog.ts";
import { heldTransaction } from "./held-transaction.ts";
import { hotBudget } from "./hot-budget.ts";
import type { Scenario } from "./scenario.ts";
import { stuckTenant } from "./stuck-tenant.ts";

export const SCENARIOS: readonly Scenario[] = [stuckTenant, heldTransaction, backlog, hotBudget];
