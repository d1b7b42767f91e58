/**
 * The input of a pack as canonical JSON text (design §2): what every decision is made on, and can be made on again.
 *
 * The payload's text is made once per form and spliced in, since canonicalising it per pack cost more than evaluating.
 * Keys stand in canonical order. Not here: evaluating (decide-with-pack.ts).
 */
import { canonicalJson } from "../core/canonical-json.ts";
import type { Boundary } from "../core/decision.ts";
import { StepgateError } from "../core/errors.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { StepContext } from "./context.ts";
import { type LeasedStep, viewBudget } from "./leased-step.ts";
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
  const own = stepTexts.get(step) ?? writeStep(step);
  const { approvals, options, outputText } = question;
  const tool = toolView(context);
  return (
    `{"approvals":${approvals.length === 0 ? "[]" : canonicalJson(approvals)},"boundary":"${question.boundary}",` +
    `"budget":${own.budget},"caller":${own.caller},"execution":${executionText(context.execution)},` +
    `"inputs":${context.inputsText},${options === undefined ? "" : `"options":${canonicalJson(options)},`}` +
    `"origins":${once(originTexts, context.origins, () => context.origins.map(originView))},` +
    `${outputText === undefined ? "" : `"output":${outputText},`}"policy":${policyText(step.spec.policy)},` +
    `"run":${own.run},"slo":${once(sloTexts, context.slo, () => context.slo)},"step":${own.step},` +
    `"tenant":${once(tenantTexts, authority, () => ({ id: step.tenantId, labels: authority.labels }))},` +
    `"time":${question.timeMs}${tool === undefined ? "" : `,"tool":${tool}`}}`
  );
}

/** The version that the step is bound to, what it does to the world, and what its executor would get. */
function toolView({ step, tool, inputs }: StepContext): string | undefined {
  const { tool: ref } = step.spec;
  if (ref === undefined || tool === undefined) return undefined;
  const { digest, name, version } = ref;
  const bound = tool.boundText(inputs);
  // it is spliced in: anything else would be another pack input than it seems
  if (typeof bound !== "string" || !(bound.startsWith("{") || bound === "null"))
    throw new StepgateError("ANSWER_MALFORMED", { part: "tools" });
  return (
    `{"digest":${canonicalJson(digest)},"effects":"${tool.effects}","executor":${canonicalJson(tool.adapter.type)},` +
    `"idempotent":${tool.isIdempotent},"inputs":${bound},"name":${canonicalJson(name)},"version":${version}}`
  );
}

/** What does not change while a step is asked about, before its effect and after it: written once, by the object it is. */
interface StepTexts {
  readonly budget: string;
  readonly caller: string;
  readonly run: string;
  readonly step: string;
}

const stepTexts = new WeakMap<LeasedStep, StepTexts>();
const originTexts = new WeakMap<object, string>();
const sloTexts = new WeakMap<object, string>();
const tenantTexts = new WeakMap<object, string>();

function once(texts: WeakMap<object, string>, part: object, view: () => JsonValue): string {
  const known = texts.get(part);
  if (known !== undefined) return known;
  const text = canonicalJson(view());
  texts.set(part, text);
  return text;
}

function writeStep(step: LeasedStep): StepTexts {
  const { run, spec } = step;
  const { keyId: key, owner, roles } = run.caller;
  const texts = {
    budget: canonicalJson(viewBudget(step)),
    caller: canonicalJson({ key, owner, role: [...roles].sort().join(",") }),
    run: canonicalJson({ id: run.id ?? step.runUid, kind: run.kind, labels: run.labels }),
    step: canonicalJson({
      attempt: step.attempt,
      id: step.stepId,
      max_attempts: spec.execution.max_attempts,
      slug: spec.slug ?? "",
      type: spec.type,
    }),
  };
  stepTexts.set(step, texts);
  return texts;
}

function originView(origin: StepContext["origins"][number]): JsonObject {
  return {
    boundary: origin.boundary,
    ...(origin.runUid === undefined ? {} : { run_id: origin.runUid }),
    source: origin.source,
    ...(origin.stepId === undefined ? {} : { step_id: origin.stepId }),
  };
}
