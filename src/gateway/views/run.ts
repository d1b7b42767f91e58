/**
 * Runs and their steps as callers see them.
 *
 * Out: `RunView`, its page, breakpoints, the answer to a cancel. No payload beside labels: outputs are read as
 * artifacts or from the answer of a synchronous step. Not here: events (event.ts), submissions (runs/submission.ts).
 */
import Type from "typebox";
import { ERROR_KINDS, type ErrorKind } from "../../core/error-kind.ts";
import { RUN_STATES, STEP_STATES } from "../../core/state.ts";
import {
  allowance,
  amount,
  closedObject,
  codes,
  count,
  digest,
  mapOf,
  name,
  named,
  oneOf,
  page,
  ref,
  text,
  time,
  uuid,
  type View,
} from "./schema.ts";

export const errorKind = (description: string) =>
  Type.Unsafe<ErrorKind>({ type: "string", enum: Object.keys(ERROR_KINDS), description });

export const StepView = named(
  "StepView",
  {
    id: text("The step's id in its run."),
    type: text("Which executor performs it."),
    slug: Type.Optional(text("A name for people and breakpoints.")),
    status: oneOf(STEP_STATES, "Where the step is (spec 00, step states)."),
    attempt: count("Number of the attempt that runs or ran last; 0 before the first."),
    depends_on: Type.Array(Type.String(), { description: "Steps whose success it waits for." }),
    not_before: Type.Optional(time("It is not taken before this time.")),
    error_kind: Type.Optional(errorKind("How it ended badly.")),
    reasons: codes("Reason codes of the decision or failure, in order."),
    record_ids: Type.Array(Type.String(), { description: "Its signed records, oldest first." }),
    decision_artifact: Type.Optional(digest("The artifact with its evaluation records.")),
    provider: Type.Optional(text("Who performed it.")),
    provider_version: Type.Optional(text("In which version.")),
    approval: Type.Optional(
      closedObject(
        {
          approval_id: uuid("The open approval."),
          role: text("The role that must decide; several are separated by commas."),
          expires_at: time("Until when."),
        },
        "What a held step waits for.",
      ),
    ),
    cost: amount("What its attempts used so far."),
  },
  "One step of a run.",
);
export type StepView = View<typeof StepView>;

export const RunBudgetView = closedObject(
  {
    tracked: Type.Boolean({ description: "False for a run without a budget: unlimited." }),
    tokens: allowance("Tokens of the run."),
    usd_micros: allowance("Money of the run in micro-USD."),
  },
  "The run's budget.",
);
export type RunBudgetView = View<typeof RunBudgetView>;

const runHead = {
  run_uid: uuid("The run's identity, made by the host."),
  id: Type.Optional(name("The id its submitter chose.")),
  kind: oneOf(["dag", "chain", "script"], "What kind of run it is."),
  status: oneOf(RUN_STATES, "Where the run is (spec 00, run states)."),
  op_id: text("Name of the operation."),
  manifest_id: digest("Id of its plan."),
  priority: Type.Integer({ description: "Higher goes first." }),
  submitted_at: time("When it was accepted."),
  started_at: Type.Optional(time("When its first step started.")),
  ended_at: Type.Optional(time("When it ended.")),
};

/** A run as lists show it. */
export const RunSummaryView = closedObject(runHead, "A run without its steps.");
export type RunSummaryView = View<typeof RunSummaryView>;

export const RunView = named(
  "RunView",
  {
    ...runHead,
    labels: Type.Optional(mapOf(Type.String(), "Labels as submitted.")),
    steps: Type.Array(ref(StepView), { description: "In topological order." }),
    budget: RunBudgetView,
    active_pause: Type.Optional(
      closedObject(
        {
          step_id: Type.Optional(text("The step it stopped before; absent when an operator paused it.")),
          spec_digest: Type.Optional(digest("Digest of the step as it would run.")),
          started_at: time("Since when."),
        },
        "Why a paused run stands.",
      ),
    ),
    final_snapshot_id: Type.Optional(digest("Snapshot over what succeeded, once ended.")),
    outcome: Type.Optional(
      closedObject(
        {
          failed_steps: Type.Array(Type.String(), { description: "Steps that ended failed." }),
          seal_record_id: Type.Optional(digest("The run's seal, once written.")),
        },
        "How it ended.",
      ),
    ),
  },
  "A run with its steps and budget.",
);
export type RunView = View<typeof RunView>;

export const RunPage = page("RunPage", RunSummaryView, "Runs, newest first.");
export type RunPage = View<typeof RunPage>;

export const CancelView = named(
  "CancelView",
  {
    run_uid: uuid("The run."),
    cancelled: Type.Boolean({
      description: "True if this started a cancellation, or one is under way with a step still running.",
    }),
    status: oneOf(RUN_STATES, "The run's status afterwards."),
  },
  "What a cancel did.",
);
export type CancelView = View<typeof CancelView>;

export const BREAKPOINT_TARGETS = ["step", "slug", "type"] as const;

export const BreakpointView = closedObject(
  {
    target: oneOf(BREAKPOINT_TARGETS, "What `value` names."),
    value: name("A step id, a slug or a step type."),
  },
  "Where a run pauses before a step starts.",
);
export type BreakpointView = View<typeof BreakpointView>;

export const BreakpointList = named(
  "BreakpointList",
  { items: Type.Array(BreakpointView, { description: "In order of target and value." }) },
  "All breakpoints of a run.",
);
export type BreakpointList = View<typeof BreakpointList>;
