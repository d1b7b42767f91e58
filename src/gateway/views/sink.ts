/**
 * Sinks as callers set and see them: where events go, what waits for them, what they did not take.
 *
 * A signing secret leaves once, in the answer that makes it. Not here: what is sent (sinks/cloud-event.ts).
 */
import Type from "typebox";
import { type EventType, INFORMATION_EVENTS, KERNEL_EVENTS } from "../../core/event.ts";
import { closedObject, count, name, named, page, ref, text, time, uuid, type View } from "./schema.ts";

const eventType = Type.Unsafe<EventType>({ type: "string", enum: [...KERNEL_EVENTS, ...INFORMATION_EVENTS] });

const sinkFields = {
  url: Type.String({
    minLength: 1,
    maxLength: 2048,
    description: "Where messages are posted: https, to a host that the platform approved for the tenant's sinks.",
  }),
  events: Type.Optional(
    Type.Array(eventType, { minItems: 1, uniqueItems: true, description: "Types that are sent. Absent: every type." }),
  ),
  is_paused: Type.Boolean({ description: "Paused: nothing is sent, and what happens meanwhile waits." }),
};

export const SinkSubmission = named("SinkSubmission", sinkFields, "The whole of a sink's settings.");
export type SinkSubmission = View<typeof SinkSubmission>;

const sinkView = {
  name: name("The sink's name."),
  ...sinkFields,
  is_approved: Type.Boolean({
    description: "The platform approves its host. False: nothing is sent, and what happens meanwhile waits.",
  }),
  version: count("Changes with every change of the sink.", 1),
  created_at: time("When it was made."),
  waiting_runs: count("Runs with events that it has not had."),
  dead_letters: count("Events that it did not take."),
};

export const SinkView = named("SinkView", sinkView, "A sink without its secret.");
export type SinkView = View<typeof SinkView>;

const secret = text("`whsec_…` (Standard Webhooks), shown once: a repeated request gets the answer without it.");

export const PutSinkView = named(
  "PutSinkView",
  { ...sinkView, secret: Type.Optional(secret) },
  "A sink; with its secret where it was just made.",
);
export type PutSinkView = View<typeof PutSinkView>;

export const SinkSecretView = named(
  "SinkSecretView",
  {
    name: name("The sink's name."),
    secret: Type.Optional(secret),
    previous_until: time("Until then messages are signed with the secret before, too."),
  },
  "A secret just made.",
);
export type SinkSecretView = View<typeof SinkSecretView>;

export const SinkPage = page("SinkPage", ref(SinkView), "Sinks by name.");
export type SinkPage = View<typeof SinkPage>;

export const DeliveryPage = page(
  "DeliveryPage",
  closedObject(
    {
      run_uid: uuid("The run."),
      done_seq: count("Events up to here were acknowledged, given up or not asked for."),
      head_seq: count("The last event of the run's log."),
      attempts: count("Tries of the next event that failed."),
      fault: Type.Optional(text("What the last try met.")),
      next_try_at: time("When the next try is due; past: it is next."),
    },
    "How far a sink has one run.",
  ),
  "Runs with events that the sink has not had.",
);
export type DeliveryPage = View<typeof DeliveryPage>;

export const SinkDeadLetterPage = page(
  "SinkDeadLetterPage",
  closedObject(
    {
      run_uid: uuid("The run."),
      seq: count("The event's position in the run's log.", 1),
      event: eventType,
      attempts: count("Tries that failed, since it was last redriven."),
      fault: text("What the last try met."),
      died_at: time("When it was given up."),
      redrive_at: Type.Optional(time("When it is sent again; absent: it rests.")),
    },
    "An event that a sink did not take.",
  ),
  "Events that the sink did not take, by run and position.",
);
export type SinkDeadLetterPage = View<typeof SinkDeadLetterPage>;

export const SinkRedriveSubmission = named(
  "SinkRedriveSubmission",
  { run_uid: Type.Optional(uuid("Of this run alone. Absent: of every run.")) },
  "Which dead letters are sent again.",
);
export type SinkRedriveSubmission = View<typeof SinkRedriveSubmission>;

export const SinkRedriveView = named(
  "SinkRedriveView",
  { redriven: count("How many are sent again.") },
  "Dead letters on their way again.",
);
export type SinkRedriveView = View<typeof SinkRedriveView>;
