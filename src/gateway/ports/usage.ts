/**
 * What was used, what is left, and what is kept.
 *
 * What holds of every port: ../ports.ts.
 */
import type { BillingView } from "../views/billing.ts";
import type { RetentionView } from "../views/retention.ts";
import type { BudgetsView } from "../views/tenant.ts";
import type { Caller } from "./caller.ts";
import type { PageInput } from "./request.ts";

export interface Budgets {
  readonly get: (input: PageInput) => Promise<BudgetsView>;
}

export interface Billing {
  /** @throws {StepgateError} FIELD_INVALID for days that are none, or too many. */
  readonly recompute: (input: {
    readonly caller: Caller;
    readonly from: string | undefined;
    readonly to: string | undefined;
  }) => Promise<BillingView>;
}

export interface Retention {
  readonly get: (input: { readonly caller: Caller }) => Promise<RetentionView>;
}
