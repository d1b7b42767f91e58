/**
 * One request body per operation that takes one, as the OpenAPI document shows it; a test sends each.
 *
 * In: nothing. Out: `OPENAPI_EXAMPLES` by operation id. Not here: the schemas (views/, runs/submission.ts).
 */
import type { JsonObject } from "../core/json.ts";

export const OPENAPI_EXAMPLES: Readonly<Record<string, JsonObject>> = {
  submitRun: {
    id: "support-4711",
    steps: [
      { id: "fetch", type: "process", inputs: { command: ["echo", "hello"] } },
      {
        id: "answer",
        type: "noop",
        inputs: { text: { $from: "fetch", pointer: "/stdout" } },
        policy: { guardrails: ["redact_pii"] },
        execution: { max_attempts: 2, cost_hint: { tokens: 100, cost: "0.01" } },
      },
    ],
    edges: [["fetch", "answer"]],
    budget: { tokens: 5_000, cost: "1.50" },
  },
  performStep: { step: { type: "process", inputs: { command: ["echo", "hello"] } } },
  decide: {
    boundary: "ingress_tool",
    step: { type: "http", inputs: { method: "GET", url: "https://api.example/tickets/1" } },
  },
  decideApproval: { decision: "approve", reason: "checked with the customer" },
  setBreakpoint: { target: "type", value: "http" },
  putTool: {
    executor: "http",
    config: { method: "GET", url: { $url: "https://api.example/tickets/{id}" } },
    input_schema: { type: "object", properties: { id: { type: "integer" } }, required: ["id"] },
    effects: "read",
    egress: ["api.example"],
  },
  putSecret: { value: "Bearer 9f86d081884c7d65" },
  putExecutor: { hosts: ["api.example"], methods: ["GET"], max_bytes: 1_048_576, timeout_ms: 10_000 },
  pauseQueue: { type: "http" },
  resumeQueue: {},
  redriveDeadLetter: { inputs: { method: "GET", url: "https://api.example/tickets/2" } },
  putSink: { url: "https://hooks.example/stepgate", events: ["run_succeeded", "run_failed"], is_paused: false },
  redriveSink: {},
  createKey: { owner: "support-agent", roles: ["submitter"], expires_at: "2030-01-01T00:00:00Z" },
  putTenant: {
    weight: 1,
    is_paused: false,
    runtime_pack: "baseline",
    required_guardrails: ["baseline"],
    min_isolation: { process: "namespaces" },
    weaker_isolation_allowed: [],
    default_requests: {},
    retention_days: 365,
    transparency_scope: "gates",
    labels: {},
    sink_hosts: ["hooks.example"],
    quotas: [{ id: "daily-tokens", unit: "tokens", window: "day", limit: 1_000_000 }],
  },
};
