/**
 * Events of a run's log as callers see them, alone and by the page.
 *
 * In the stream each is one SSE message whose id is its seq. Not here: the stream (sse.ts), the log (runs/).
 */
import Type from "typebox";
import { type EventType, INFORMATION_EVENTS, KERNEL_EVENTS } from "../../core/event.ts";
import { RUN_STATES } from "../../core/state.ts";
import { anyObject, closedObject, count, digest, named, oneOf, ref, text, time, uuid, type View } from "./schema.ts";

export const EventView = named(
  "EventView",
  {
    seq: count("Position in the run's log; counts from 1 without a gap.", 1),
    type: Type.Unsafe<EventType>({
      type: "string",
      enum: [...KERNEL_EVENTS, ...INFORMATION_EVENTS],
      description: "What happened (spec 00, one log per run).",
    }),
    step_id: Type.Optional(text("The step it is about.")),
    at: time("When it was committed."),
    trace: Type.Optional(text("W3C traceparent of the step or run.")),
    data: anyObject("Ids, counts, paths and codes; never payload."),
  },
  "One event of a run's log.",
);
export type EventView = View<typeof EventView>;

/** Said once nothing can follow any more: the terminal event is in the log and the run is sealed. */
export const EventEndView = closedObject(
  {
    run_uid: uuid("The run."),
    status: oneOf(RUN_STATES, "How it ended."),
    seal_record_id: digest("The run's seal."),
  },
  "The end of a run's log.",
);
export type EventEndView = View<typeof EventEndView>;

export const EventPage = named(
  "EventPage",
  {
    items: Type.Array(ref(EventView)),
    next_after: count("What the next request gives as `after`: the last seq of this page."),
    end: Type.Optional(EventEndView),
  },
  "Events in order; `end` stands on the last page of a run that has ended and is sealed.",
);
export type EventPage = View<typeof EventPage>;
