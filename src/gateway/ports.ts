/**
 * The use cases that routes call, one interface per resource, in the views' own words.
 *
 * Who calls is always the first member, and comes from the credential alone. `undefined` from a lookup means: not there,
 * or not this tenant's; a route cannot tell, so neither can its answer. Both must cost the same time. Everything else
 * that goes wrong is a StepgateError. Not here: who implements them (main.ts wires), HTTP (routes/).
 */
import type { Approvals } from "./ports/approvals.ts";
import type { Authenticator } from "./ports/caller.ts";
import type { Artifacts, Audit, Records } from "./ports/evidence.ts";
import type { Health } from "./ports/health.ts";
import type { DeadLetters, Queue } from "./ports/queue.ts";
import type { IdempotencyStore } from "./ports/repeated-write.ts";
import type { Decisions, Runs, Steps } from "./ports/runs.ts";
import type { Executors, Keys, Secrets, Tenants, Tools } from "./ports/settings.ts";
import type { Sinks } from "./ports/sinks.ts";
import type { Billing, Budgets, Retention } from "./ports/usage.ts";

export interface GatewayPorts {
  readonly authenticator: Authenticator;
  readonly idempotency: IdempotencyStore;
  readonly runs: Runs;
  readonly steps: Steps;
  readonly decisions: Decisions;
  readonly approvals: Approvals;
  readonly records: Records;
  readonly artifacts: Artifacts;
  readonly audit: Audit;
  readonly tenants: Tenants;
  readonly tools: Tools;
  readonly secrets: Secrets;
  readonly executors: Executors;
  readonly budgets: Budgets;
  readonly billing: Billing;
  readonly retention: Retention;
  readonly queue: Queue;
  readonly deadLetters: DeadLetters;
  readonly sinks: Sinks;
  readonly keys: Keys;
  readonly health: Health;
}
