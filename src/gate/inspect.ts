/**
 * Stage 11, inspect: everything an executor returned, threw or staged passes the packs at the egress twin of the ingress
 * boundary: runtime pack, then floor and step's (spec 01). Redacted before anything is stored; denied, it is stored nowhere.
 *
 * The packs see `output {result | error, tool_events, checkpoint}`. A failure of inspect itself is `output_denied`.
 */
import { canonicalJson } from "../core/canonical-json.ts";
import type { Boundary, Evaluation, ReasonCode } from "../core/decision.ts";
import { isStepgateError } from "../core/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { parseJson } from "../core/parse-json.ts";
import type { ExecutorResult } from "../executors/contract.ts";
import { valueAt } from "../runs/references.ts";
import type { StepContext } from "./context.ts";
import { type DecideDeps, decideWithPack } from "./decide-with-pack.ts";
import { guardrailPacks } from "./guardrail-packs.ts";
import { ingressBoundary } from "./guardrails.ts";
import { outputPayload, type Payload, patchPayload } from "./payload.ts";
import { retainDays } from "./retain-days.ts";

interface Looked {
  readonly evaluations: readonly Evaluation[];
  readonly details: readonly JsonObject[];
  /** How long the packs that saw the output want the run to be kept. */
  readonly retainDays: number;
}

export type Inspected =
  | ({ readonly kind: "clean"; readonly output: JsonObject } & Looked)
  | ({ readonly kind: "denied"; readonly reasons: readonly ReasonCode[] } & Looked)
  | { readonly kind: "not_storable" };

export type Inspect = (context: StepContext, result: ExecutorResult) => Inspected;

const EGRESS: Readonly<Record<"ingress_prompt" | "ingress_tool", Boundary>> = {
  ingress_prompt: "egress_prompt",
  ingress_tool: "egress_tool",
};

export function makeInspect(deps: DecideDeps): Inspect {
  const inspect = makeInspection(deps);
  return (context, result) => {
    try {
      return inspect(context, result);
    } catch (caught) {
      // an attempt was made and its result must not pass uninspected: whatever went wrong, it is denied
      const reason = isStepgateError(caught) ? caught.code.toLowerCase() : "inspect_failed";
      return { kind: "denied", reasons: [reason], evaluations: [], details: [], retainDays: 0 };
    }
  };
}

function makeInspection(deps: DecideDeps): Inspect {
  return (context, result) => {
    const output = storableForm(result);
    if (output === undefined) return { kind: "not_storable" };
    const boundary =
      EGRESS[ingressBoundary(context.step.spec) === "ingress_prompt" ? "ingress_prompt" : "ingress_tool"];
    const names = egressPacks(context);
    if (names === undefined)
      return { kind: "denied", reasons: ["guardrail_not_supported"], evaluations: [], details: [], retainDays: 0 };
    let payload: Payload = outputPayload(output);
    const evaluations: Evaluation[] = [];
    const details: JsonObject[] = [];
    const masked: string[] = [...maskedPaths(context.obligations)];
    let keptDays = 0;
    for (const packName of names) {
      const verdict = decideWithPack(deps, context, { packName, stage: "inspect", boundary, payload, approvals: [] });
      evaluations.push(...verdict.evaluations);
      details.push(...verdict.details);
      keptDays = Math.max(keptDays, retainDays(verdict.decided?.decision.obligations ?? []));
      if (verdict.refusal !== undefined)
        return { kind: "denied", reasons: verdict.refusal.reasons, evaluations, details, retainDays: keptDays };
      masked.push(...maskedPaths(verdict.decided?.decision.obligations ?? []));
      payload = verdict.payload;
    }
    const inspected = maskOutput(payload, masked);
    const looked = { evaluations, details, retainDays: keptDays };
    if (inspected === undefined) return { kind: "denied", reasons: ["patch_removes_payload"], ...looked };
    return { kind: "clean", output: inspected, ...looked };
  };
}

/** Runtime pack first, then floor and step's, each once. */
function egressPacks(context: StepContext): readonly string[] | undefined {
  const packs = guardrailPacks(context.authority, context.step.spec, "post");
  const { runtimePack } = context.authority;
  if (!packs.ok || runtimePack === undefined) return undefined;
  return [...new Set([runtimePack, ...packs.names])];
}

function maskedPaths(
  obligations: readonly { readonly type: string; readonly properties: JsonObject }[],
): readonly string[] {
  return obligations.flatMap(({ type, properties }) => {
    const paths = type === "mask_output" ? properties["paths"] : undefined;
    return Array.isArray(paths) ? paths.filter((path): path is string => typeof path === "string") : [];
  });
}

/** Replaces what `mask_output` names; a pointer with nothing behind it masks nothing, one outside the output refuses. */
function maskOutput(payload: Payload, pointers: readonly string[]): JsonObject | undefined {
  if (payload.place !== "output") return undefined;
  const { output } = payload;
  const present = [...new Set(pointers)].filter((pointer) => valueAt({ output }, pointer) !== undefined);
  if (present.length === 0) return isJsonObject(output) ? output : undefined;
  const patched = patchPayload(
    payload,
    present.map((path) => ({ op: "replace", path, value: "[masked]" })),
  );
  return patched.ok && patched.payload.place === "output" && isJsonObject(patched.payload.output)
    ? patched.payload.output
    : undefined;
}

/** The result as the packs see it, or undefined when it cannot be stored: U+0000, lone surrogates, inexact numbers, no JSON. */
function storableForm(result: ExecutorResult): JsonObject | undefined {
  const { toolEvents } = result;
  const form: Record<string, JsonValue> = result.ok
    ? { result: result.output }
    : {
        error: {
          code: result.code,
          message: result.message,
          ...(result.details === undefined ? {} : { details: result.details }),
        },
      };
  if (result.checkpoint !== undefined) form["checkpoint"] = result.checkpoint;
  if (toolEvents.length > 0) form["tool_events"] = toolEvents.map(({ kind, payload }) => ({ kind, payload }));
  try {
    const read = parseJson(canonicalJson(form));
    return isJsonObject(read) ? read : undefined;
  } catch (caught) {
    if (isStepgateError(caught, "JSON_INVALID", "NUMBER_NOT_EXACT")) return undefined;
    throw caught;
  }
}
