/**
 * Turns a request for a decision outside a run into the step that packs would see (spec 00, records; spec 01).
 *
 * In: a checked `DecisionRequest`. Out: boundary, step, output. What the host fills (time, tenant, caller, origins,
 * approvals, budget) is not in it. Not here: deciding (gate/).
 */
import type { Boundary } from "../core/decision.ts";
import { StepgateError } from "../core/errors.ts";
import { conflictingFlags } from "../core/guardrail-flag.ts";
import type { JsonValue } from "../core/json.ts";
import type { StepSpec } from "../core/step.ts";
import { normalizeStep } from "./normalize-step.ts";
import { findReferences } from "./references.ts";
import type { DecisionRequest } from "./submission.ts";

export interface DecisionSubject {
  readonly boundary: Boundary;
  readonly spec: StepSpec;
  readonly labels: Readonly<Record<string, string>>;
  /** Given exactly at the boundaries where something comes out. */
  readonly output: JsonValue | undefined;
}

/**
 * Normalises a decision request.
 *
 * @throws {StepgateError} FIELD_INVALID naming the field: as `normalizeStep`, an output at an ingress boundary or none at an
 *   egress one, a reference (there is no other step); PLAN_CONFLICTING_FLAGS.
 */
export function normalizeDecision({ boundary, step, labels = {}, output }: DecisionRequest): DecisionSubject {
  const isEgress = boundary.startsWith("egress_") || boundary === "artifact";
  if (isEgress !== (output !== undefined)) {
    const reason = isEgress ? "missing at an egress boundary" : "only at an egress boundary";
    throw new StepgateError("FIELD_INVALID", { field: "/output", reason });
  }
  const spec = normalizeStep({ ...step, id: step.id ?? "step" }, undefined, "/step");
  const { found, malformed } = findReferences(spec.inputs);
  const reference = found[0]?.path ?? malformed[0];
  if (reference !== undefined)
    throw new StepgateError("FIELD_INVALID", {
      field: `/step/inputs${reference}`,
      reason: "a reference outside a run",
    });
  const conflict = conflictingFlags(spec.policy.guardrails);
  if (conflict !== undefined)
    throw new StepgateError("PLAN_CONFLICTING_FLAGS", { step: spec.id, flags: conflict.join(",") });
  return { boundary, spec, labels, output };
}
