/**
 * The input of a pack as canonical JSON text (design §2): what every decision is made on, and can be made on again.
 *
 * The payload's text is made once per form and spliced in, since canonicalising it per pack cost more than evaluating.
 * Keys stand in canonical order. Not here: evaluating (decide-with-pack.ts).
 */
import { canonicalJson } from "../core/canonical-json.ts";
import type { Boundary } from "../core/decision.ts";
import type { JsonObject } from "../core/json.ts";
import { toolMembers } from "../core/tool.ts";
import type { StepContext } from "./context.ts";
import { viewBudget } from "./leased-step.ts";
import { executionText, policyText } from "./spec-text.ts";

export interface PackQuestion {
  readonly boundary: Boundary;
  /** Milliseconds since the Unix epoch; packs have no clock of their own. */
  readonly timeMs: number;
  /** Canonical text of what came out; only at the egress boundaries. */
  readonly outputText: string | undefined;
  /** What the step's own entry for this pack says; undefined when it has none. */
  readonly options: JsonObject | undefined;
  /** Verified approvals only. */
  readonly approvals: readonly JsonObject[];
}

/** Writes the pack input in canonical form; a test compares it with the canonical form of the parsed text. */
export function packInputText(context: StepContext, question: PackQuestion): string {
  const { step, authority } = context;
  const { run, spec } = step;
  const members: readonly (readonly [string, string | undefined])[] = [
    ["approvals", canonicalJson(question.approvals)],
    ["boundary", canonicalJson(question.boundary)],
    ["budget", canonicalJson(viewBudget(step.budget))],
    [
      "caller",
      canonicalJson({ key: run.caller.keyId, owner: run.caller.owner, role: [...run.caller.roles].sort().join(",") }),
    ],
    ["execution", executionText(context.execution)],
    ["inputs", context.inputsText],
    ["options", question.options && canonicalJson(question.options)],
    ["origins", canonicalJson(context.origins.map(originView))],
    ["output", question.outputText],
    ["policy", policyText(step.spec.policy)],
    ["run", canonicalJson({ id: run.id ?? step.runUid, kind: run.kind, labels: run.labels })],
    ["slo", canonicalJson(context.slo)],
    [
      "step",
      canonicalJson({
        attempt: step.attempt,
        id: step.stepId,
        max_attempts: spec.execution.max_attempts,
        slug: spec.slug ?? "",
        type: spec.type,
      }),
    ],
    ["tenant", canonicalJson({ id: step.tenantId, labels: authority.labels })],
    ["time", String(question.timeMs)],
    ["tool", toolView(context)],
  ];
  return `{${members.flatMap(([key, text]) => (text === undefined ? [] : [`"${key}":${text}`])).join(",")}}`;
}

/** The version that the step is bound to, and what it does to the world. */
function toolView({ step, tool }: StepContext): string | undefined {
  const { tool: ref } = step.spec;
  if (ref === undefined || tool === undefined) return undefined;
  return canonicalJson({ ...toolMembers(ref), effects: tool.effects });
}

function originView(origin: StepContext["origins"][number]): JsonObject {
  return {
    boundary: origin.boundary,
    ...(origin.runUid === undefined ? {} : { run_id: origin.runUid }),
    source: origin.source,
    ...(origin.stepId === undefined ? {} : { step_id: origin.stepId }),
  };
}
