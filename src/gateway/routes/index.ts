/**
 * Every route of the API, one line per resource.
 *
 * A new resource is a file here and a line in this list; its access is a line in roles.ts.
 */
import type { Log } from "../../telemetry/logger.ts";
import type { Authorize } from "../auth.ts";
import type { Api } from "../parts.ts";
import type { GatewayPorts } from "../ports.ts";
import type { StreamTimes } from "../sse.ts";
import type { StreamSlots } from "../stream-slots.ts";
import { approvalRoutes } from "./approvals.ts";
import { artifactRoutes } from "./artifacts.ts";
import { auditRoutes } from "./audit.ts";
import { billingRoutes } from "./billing.ts";
import { breakpointRoutes } from "./breakpoints.ts";
import { budgetRoutes } from "./budgets.ts";
import { deadLetterRoutes } from "./dead-letters.ts";
import { decisionRoutes } from "./decisions.ts";
import { eventRoutes } from "./events.ts";
import { evidenceRoutes } from "./evidence.ts";
import { executorRoutes } from "./executors.ts";
import { healthRoutes, metricsRoute } from "./health.ts";
import { keyRoutes } from "./keys.ts";
import { queueRoutes } from "./queue.ts";
import { recordRoutes } from "./records.ts";
import { retentionRoutes } from "./retention.ts";
import { runRoutes } from "./runs.ts";
import { secretRoutes } from "./secrets.ts";
import { sinkQueueRoutes } from "./sink-queues.ts";
import { sinkRoutes } from "./sinks.ts";
import { stepRoutes } from "./steps.ts";
import { tenantRoutes } from "./tenants.ts";
import { toolRoutes } from "./tools.ts";

export interface RouteDeps {
  readonly ports: GatewayPorts;
  readonly authorize: Authorize;
  readonly slots: StreamSlots;
  readonly times: StreamTimes;
  readonly log: Log;
  readonly maxRunBodyBytes: number;
  readonly stepWaitMs: number;
  /** False when metrics have a listener of their own. */
  readonly servesMetrics: boolean;
}

export function registerRoutes(app: Api, deps: RouteDeps): void {
  const { ports } = deps;
  runRoutes(app, { runs: ports.runs, maxRunBodyBytes: deps.maxRunBodyBytes });
  eventRoutes(app, { ...deps, runs: ports.runs });
  evidenceRoutes(app, ports);
  breakpointRoutes(app, ports);
  stepRoutes(app, { steps: ports.steps, stepWaitMs: deps.stepWaitMs });
  decisionRoutes(app, ports);
  approvalRoutes(app, ports);
  recordRoutes(app, ports);
  artifactRoutes(app, ports);
  auditRoutes(app, ports);
  tenantRoutes(app, ports);
  toolRoutes(app, ports);
  secretRoutes(app, ports);
  executorRoutes(app, ports);
  budgetRoutes(app, ports);
  billingRoutes(app, ports);
  retentionRoutes(app, ports);
  queueRoutes(app, ports);
  deadLetterRoutes(app, ports);
  sinkRoutes(app, ports);
  sinkQueueRoutes(app, ports);
  keyRoutes(app, ports);
  healthRoutes(app, ports);
  if (deps.servesMetrics) metricsRoute(app, ports);
}
