/**
 * What a synchronous step and a decision without effect answer.
 *
 * A refused or failed step is a problem with its record ids (problem.ts); a step that goes on later is a 202 that says
 * where to look. Not here: submissions (runs/submission.ts).
 */
import Type from "typebox";
import { BOUNDARIES, EFFECTS, OBLIGATION_TYPES } from "../../core/decision.ts";
import { STEP_STATES } from "../../core/state.ts";
import {
  amount,
  anyJson,
  anyObject,
  closedObject,
  codes,
  count,
  digest,
  named,
  oneOf,
  text,
  time,
  uuid,
  type View,
} from "./schema.ts";

export const EvaluationView = closedObject(
  {
    stage: oneOf(["guardrails", "decide", "guard", "admit", "inspect"], "Which stage of the gate asked."),
    boundary: oneOf(BOUNDARIES, "Where data crossed trust."),
    effect: oneOf(EFFECTS, "What the pack said."),
    reasons: codes("Its reason codes, in order."),
    patch_paths: Type.Array(Type.String(), { description: "Pointers of what it patched." }),
    pack: closedObject(
      { id: text("Id."), version: text("Version."), digest: digest("Digest of its bytes.") },
      "Who decided.",
    ),
    duration_us: count("Microseconds."),
  },
  "One evaluation of one pack.",
);

export const DecisionSummary = closedObject(
  {
    effect: oneOf(EFFECTS, "The strongest effect of all evaluations."),
    reasons: codes("Reason codes, unique, in order."),
    evaluations: Type.Array(EvaluationView, { description: "In the order in which they were made." }),
  },
  "What was decided.",
);
export type DecisionSummary = View<typeof DecisionSummary>;

export const StepResultView = named(
  "StepResultView",
  {
    run_uid: uuid("The one-step run."),
    step_id: text("Its step."),
    status: oneOf(["succeeded"], "How it ended."),
    attempt: count("The attempt that succeeded.", 1),
    decision: DecisionSummary,
    output: anyJson(
      "What it returned, after *inspect*; an object is shown with its decisions under `policy_decisions` and their artifact under `artifacts`.",
    ),
    record_ids: Type.Array(Type.String(), { description: "Its signed records, oldest first." }),
    cost: amount("What it used."),
  },
  "A step that was performed.",
);
export type StepResultView = View<typeof StepResultView>;

export const STEP_WAITS = ["hold", "defer", "retry", "wait", "running"] as const;

export const StepPendingView = named(
  "StepPendingView",
  {
    run_uid: uuid("The one-step run; follow it there."),
    step_id: text("Its step."),
    status: oneOf(STEP_STATES, "Where it stands."),
    reason: oneOf(STEP_WAITS, "Why there is no result yet: approval, room, another attempt, something outside, time."),
    not_before: Type.Optional(time("It is not taken before this time.")),
    record_ids: Type.Array(Type.String(), { description: "Records written so far." }),
  },
  "A step that goes on later.",
);
export type StepPendingView = View<typeof StepPendingView>;

export const DecisionView = named(
  "DecisionView",
  {
    record_id: digest("The decision record; durable before this answer."),
    decision: DecisionSummary,
    obligations: Type.Array(
      closedObject(
        { id: text("Id."), type: oneOf(OBLIGATION_TYPES, "Kind."), properties: anyObject("Its values.") },
        "What must also be done.",
      ),
    ),
    inputs: Type.Optional(anyObject("The inputs after redaction; absent when nothing was patched.")),
    output: Type.Optional(anyJson("The output after redaction; absent when nothing was patched.")),
  },
  "What would be decided; nothing was performed.",
);
export type DecisionView = View<typeof DecisionView>;
