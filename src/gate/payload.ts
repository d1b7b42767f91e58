/**
 * The payload that packs see and patch, as value and canonical text kept in step.
 *
 * At the ingress boundaries it is {inputs, execution}, at the egress ones {output}. Which pointers a pack may touch is
 * checked before anything is applied (spec 01, patches). Not here: RFC 6902 itself (redaction/).
 */
import { canonicalJson } from "../core/canonical-json.ts";
import type { PatchOperation, ReasonCode } from "../core/decision.ts";
import { isStepgateError } from "../core/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { executionJson, type StepExecution } from "../core/step.ts";
import { applyPatch } from "../redaction/apply-patch.ts";
import { checkPatchPaths } from "../redaction/patch-paths.ts";
import { executionText } from "./spec-text.ts";

export type Payload =
  | {
      readonly place: "inputs";
      readonly inputs: JsonObject;
      readonly inputsText: string;
      readonly execution: StepExecution;
      /** Canonical text of inputs and execution, to tell whether a patch changed anything. */
      readonly text: string;
    }
  | { readonly place: "output"; readonly output: JsonValue; readonly text: string };

export function inputPayload(inputs: JsonObject, inputsText: string, execution: StepExecution): Payload {
  return {
    place: "inputs",
    inputs,
    inputsText,
    execution,
    text: `${inputsText}${executionText(execution)}`,
  };
}

export function outputPayload(output: JsonValue): Payload {
  return { place: "output", output, text: canonicalJson(output) };
}

type Patched = { readonly ok: true; readonly payload: Payload } | { readonly ok: false; readonly reason: ReasonCode };

/** Applies a pack's patches to a payload, all or none; a pointer outside the allowed roots refuses the whole. */
export function patchPayload(payload: Payload, patches: readonly PatchOperation[]): Patched {
  const isIngress = payload.place === "inputs";
  if (!checkPatchPaths(patches, isIngress ? "ingress" : "egress")) return { ok: false, reason: "patch_not_allowed" };
  try {
    if (payload.place === "output") {
      const document = applyPatch({ output: payload.output }, patches);
      const output = isJsonObject(document) ? document["output"] : undefined;
      return output === undefined
        ? { ok: false, reason: "patch_removes_payload" }
        : { ok: true, payload: outputPayload(output) };
    }
    const document = applyPatch({ inputs: payload.inputs, execution: executionJson(payload.execution) }, patches);
    if (!isJsonObject(document)) return { ok: false, reason: "patch_removes_payload" };
    const { inputs, execution } = document;
    if (!isJsonObject(inputs) || !isJsonObject(execution)) return { ok: false, reason: "patch_removes_payload" };
    const allowed = readPatchedExecution(payload.execution, execution);
    if (allowed === undefined) return { ok: false, reason: "patch_breaks_execution" };
    return { ok: true, payload: inputPayload(inputs, canonicalJson(inputs), allowed) };
  } catch (caught) {
    if (isStepgateError(caught, "PATCH_MALFORMED", "PATCH_DOES_NOT_APPLY", "JSON_INVALID")) {
      return { ok: false, reason: "patch_does_not_apply" };
    }
    throw caught;
  }
}

/** What a pack may change of the execution block, read back with its own types; anything else refuses the patch. */
function readPatchedExecution(before: StepExecution, after: JsonObject): StepExecution | undefined {
  const known = new Set([
    "max_attempts",
    "retry_backoff_ms",
    "retry_backoff_factor_ppm",
    "deadline_ms",
    "checkpoint",
    "compensation",
    "cost_hint",
    "concurrency_key",
    "facts",
    "retry_backoff_max_ms",
  ]);
  if (Object.keys(after).some((key) => !known.has(key))) return undefined;
  const backoffMs = after["retry_backoff_ms"];
  const factorPpm = after["retry_backoff_factor_ppm"];
  const deadlineMs = after["deadline_ms"];
  const concurrencyKey = after["concurrency_key"];
  const { checkpoint, facts } = after;
  if (!isCount(backoffMs) || !isCount(factorPpm) || factorPpm < 1_000_000 || !isCount(deadlineMs)) return undefined;
  if (typeof checkpoint !== "boolean" || (facts !== undefined && typeof facts !== "boolean")) return undefined;
  if (concurrencyKey !== undefined && typeof concurrencyKey !== "string") return undefined;
  const { concurrency_key: _key, facts: _facts, ...rest } = before;
  return {
    ...rest,
    retry_backoff_ms: backoffMs,
    retry_backoff_factor_ppm: factorPpm,
    deadline_ms: deadlineMs,
    checkpoint,
    ...(concurrencyKey === undefined ? {} : { concurrency_key: concurrencyKey }),
    ...(facts === undefined ? {} : { facts }),
  };
}

function isCount(value: JsonValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
