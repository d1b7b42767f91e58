/**
 * Tenants, their quotas and what is used of them: what is sent and what is seen.
 *
 * Not here: what a quota does (tenancy/), keys (key.ts).
 */
import Type from "typebox";
import { ISOLATION_LEVELS } from "../../core/isolation.ts";
import { HOST_PORT_PATTERN } from "../../executors/http/host-port.ts";
import { RunBudgetView } from "./run.ts";
import {
  amount,
  anyObject,
  closedObject,
  count,
  mapOf,
  name,
  named,
  oneOf,
  page,
  ref,
  time,
  uuid,
  type View,
} from "./schema.ts";

const isolation = Type.Unsafe<(typeof ISOLATION_LEVELS)[number]>({ type: "string", enum: [...ISOLATION_LEVELS] });

export const QUOTA_UNITS = ["tokens", "usd_micros", "runs", "concurrent_steps"] as const;
export const QUOTA_WINDOWS = ["minute", "day", "month", "lifetime"] as const;

const quota = {
  id: name("Name of the quota, unique in its tenant."),
  unit: oneOf(QUOTA_UNITS, "What is counted."),
  window: oneOf(QUOTA_WINDOWS, "Over which time; `concurrent_steps` has `lifetime`."),
  limit: count("Most of it in one window."),
};

const sinkHosts = (description: string) =>
  Type.Array(Type.String({ pattern: HOST_PORT_PATTERN, maxLength: 260 }), { maxItems: 256, description });

const tenantFields = {
  weight: Type.Integer({ minimum: 1, maximum: 1_000, description: "Share of the work against other tenants." }),
  is_paused: Type.Boolean({ description: "Paused: nothing is started." }),
  runtime_pack: Type.Optional(name("The pack that decides at `scheduler`; absent: nothing runs.")),
  required_guardrails: Type.Array(name("A pack."), { maxItems: 32, description: "Packs that every step passes." }),
  min_isolation: mapOf(isolation, "Weakest isolation by step type."),
  weaker_isolation_allowed: Type.Array(Type.String({ maxLength: 64 }), {
    maxItems: 64,
    description: "Step types that may run below their minimum; every record says so.",
  }),
  default_requests: mapOf(amount("Request."), "What a step asks for that names nothing, by step type."),
  concurrency_limits: Type.Optional(
    mapOf(
      Type.Integer({ minimum: 1, maximum: 1_000_000 }),
      "Most steps that run at once over all workers, by concurrency key; further ones wait. Absent: no limit.",
    ),
  ),
  sink_hosts: Type.Optional(
    sinkHosts("Hosts that the tenant's sinks may reach over https: `host`, or `host:port`. No patterns. Absent: none."),
  ),
  sink_private_hosts: Type.Optional(
    sinkHosts("Exact `host:port` that they may reach in a private network, over http too. Never metadata addresses."),
  ),
  warn_ratio_ppm: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 1_000_000,
      description:
        "Share of a budget or quota after whose use a `budget_warning` is written, in millionths. Absent: 800 000.",
    }),
  ),
  retention_days: Type.Integer({
    minimum: 1,
    maximum: 36_500,
    description: "How long ended runs are kept; they go with their window of history, at most its length later.",
  }),
  decision_input_days: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 36_500,
      description: "How long, after a run ended, what packs were shown in it is kept. Absent: 30.",
    }),
  ),
  transparency_scope: oneOf(
    ["disabled", "gates", "runs", "artifacts"],
    "What is to enter the transparency log. Recorded; there is no log yet.",
  ),
  labels: anyObject("What packs see of the tenant."),
  quotas: Type.Array(closedObject(quota, "A hard limit."), { maxItems: 64, description: "Hard limits." }),
};

export const TenantSubmission = named("TenantSubmission", tenantFields, "The whole of a tenant's settings.");
export type TenantSubmission = View<typeof TenantSubmission>;

export const TenantView = named(
  "TenantView",
  {
    id: name("The tenant's name."),
    tenant_uid: uuid("Its identity."),
    version: count("Changes with everything that decisions rest on.", 1),
    created_at: time("When it was made."),
    ...tenantFields,
  },
  "A tenant with its settings and quotas.",
);
export type TenantView = View<typeof TenantView>;

export const TenantPage = page("TenantPage", ref(TenantView), "Tenants by name.");
export type TenantPage = View<typeof TenantPage>;

export const QuotaUsageView = closedObject(
  {
    ...quota,
    used: count("What ended work used in this window."),
    reserved: count("What running work holds."),
    remaining: count("limit − used − reserved, at least 0."),
    overrun: count("What was used above the limit."),
    is_warned: Type.Boolean({ description: "What is used has passed the tenant's warn ratio." }),
    resets_at: Type.Optional(time("When the window ends; absent for `lifetime`.")),
  },
  "A quota in its present window.",
);

export const BudgetsView = named(
  "BudgetsView",
  {
    quotas: Type.Array(QuotaUsageView),
    runs: Type.Array(
      closedObject(
        {
          run_uid: uuid("The run."),
          budget: RunBudgetView,
          is_warned: Type.Boolean({ description: "What is used of it has passed the tenant's warn ratio." }),
        },
        "A run's budget.",
      ),
    ),
    next: Type.Optional(Type.String({ description: "Cursor of the next page of runs; absent on the last one." })),
  },
  "What the tenant's quotas and the budgets of its open runs hold.",
);
export type BudgetsView = View<typeof BudgetsView>;
