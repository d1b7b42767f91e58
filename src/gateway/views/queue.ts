/**
 * The queue as operators see it: counts, why a step waits, dead letters.
 *
 * Not here: what is counted and why (scheduler/).
 */
import Type from "typebox";
import type { JsonObject } from "../../core/json.ts";
import { STEP_STATES } from "../../core/state.ts";
import { WAIT_REASONS } from "../../scheduler/wait-reasons.ts";
import { errorKind } from "./run.ts";
import {
  closedObject,
  codes,
  count,
  digest,
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

export const QueueView = named(
  "QueueView",
  {
    is_paused: Type.Boolean({ description: "Nothing of the tenant is started." }),
    paused_types: Type.Array(Type.String(), { description: "Step types of which nothing is started." }),
    served_types: Type.Array(Type.String(), { description: "Step types that a living worker serves." }),
    is_partial: Type.Boolean({
      description:
        "There may be more steps than were counted: each count is of at least so many, and types may be missing.",
    }),
    counts: Type.Array(
      closedObject(
        {
          type: text("Step type."),
          state: oneOf(STEP_STATES, "Where the steps are; ended ones are not counted."),
          count: count("How many.", 1),
          oldest_ready_at: Type.Optional(time("Since when the oldest of them is ready.")),
        },
        "Open steps of one type in one state.",
      ),
    ),
  },
  "What waits and runs in the tenant.",
);
export type QueueView = View<typeof QueueView>;

export const PauseSubmission = named(
  "PauseSubmission",
  { type: Type.Optional(name("A step type; absent: all of the tenant.")) },
  "What to pause or resume.",
);
export type PauseSubmission = View<typeof PauseSubmission>;

export const WaitView = named(
  "WaitView",
  {
    status: oneOf(STEP_STATES, "Where the step is."),
    worker: Type.Optional(text("The worker that has it in hand; its log says more.")),
    started_at: Type.Optional(time("Since when it runs.")),
    waits: Type.Array(
      closedObject(
        {
          reason: oneOf(WAIT_REASONS, "What it waits for."),
          steps: Type.Optional(
            Type.Array(Type.String(), {
              description: "Steps it waits for; of a scheduled compensation at most 20 are named.",
            }),
          ),
          until: Type.Optional(time("When it is looked at again, if no place becomes free before.")),
          of: Type.Optional(Type.String({ description: "Which quota, or which concurrency key." })),
          approval_id: Type.Optional(uuid("The approval that is open.")),
          count: Type.Optional(
            count("Steps of the tenant that go first; for `max_parallel`, how many may run at once."),
          ),
        },
        "One reason.",
      ),
      {
        description:
          "The nearest cause first; empty for a step that runs or has ended. What it was put back for last stands until it " +
          "starts, also while it is looked at again.",
      },
    ),
  },
  "Why a step waits.",
);
export type WaitView = View<typeof WaitView>;

export const DeadLetterView = named(
  "DeadLetterView",
  {
    run_uid: uuid("The run."),
    run_id: Type.Optional(name("The id its submitter chose.")),
    step_id: text("The step."),
    type: text("Its type."),
    attempt: count("Attempts that were made.", 1),
    error_kind: errorKind("How it ended."),
    reasons: codes("Reason codes."),
    is_compensation: Type.Boolean({ description: "It was to undo another step: that effect may still be there." }),
    ended_at: time("When it ended."),
    record_id: Type.Optional(digest("The signed record that says so.")),
    redriven_as: Type.Optional(uuid("The run that went on from it last.")),
  },
  "A step that ended failed after at least one attempt.",
);
export type DeadLetterView = View<typeof DeadLetterView>;

export const DeadLetterPage = page("DeadLetterPage", ref(DeadLetterView), "Dead letters, the youngest first.");
export type DeadLetterPage = View<typeof DeadLetterPage>;

export const RedriveSubmission = named(
  "RedriveSubmission",
  {
    inputs: Type.Optional(
      Type.Unsafe<JsonObject>({
        type: "object",
        additionalProperties: true,
        description: "In place of the step's own inputs.",
      }),
    ),
  },
  "What is to be different this time.",
);
export type RedriveSubmission = View<typeof RedriveSubmission>;
