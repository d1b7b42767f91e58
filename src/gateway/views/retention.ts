/**
 * What a tenant keeps, window by window, and when it goes.
 *
 * Not here: what may go (storage/functions/retention.sql).
 */
import Type from "typebox";
import { closedObject, count, named, time, type View } from "./schema.ts";

export const RetentionView = named(
  "RetentionView",
  {
    is_on: Type.Boolean({ description: "Whether anything goes: STEPGATE_RETENTION." }),
    retention_days: count("How long an ended run is kept, unless an obligation asks for longer."),
    decision_input_days: count("How long what packs were shown in it is kept, if the run is kept for longer."),
    retired: closedObject(
      {
        runs: count("Runs that went since the first."),
        last_at: Type.Optional(time("When the last went.")),
      },
      "What has gone.",
    ),
    windows: Type.Array(
      closedObject(
        {
          name: Type.Optional(Type.String({ description: "Absent: runs that outlive their window." })),
          ends_at: Type.Optional(time("Runs submitted before are in it.")),
          runs: count("Runs of the tenant in it."),
          due: count("Those that would go now."),
          unfinished: count("Not ended: they stay."),
          linked: count("Others were forked from them: they stay."),
          unsealed: count("Ended and not sealed yet: they stay."),
          undelivered: count("Ended, and a webhook has not got all of their events: they stay."),
          retained: count("Kept for longer by an obligation."),
          first_due_at: Type.Optional(time("When the first that has ended goes.")),
          last_due_at: Type.Optional(time("When the last that has ended goes.")),
        },
        "A window of history.",
      ),
      { description: "Oldest first." },
    ),
  },
  "What is kept, and when it goes.",
);
export type RetentionView = View<typeof RetentionView>;
