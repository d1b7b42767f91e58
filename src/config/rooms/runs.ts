/**
 * Settings of submissions and runs (runs/), with the limits of spec 01, 03 and 08.
 *
 * Limits of the platform; a plan over one is refused whole. Not here: limits of single requests (gateway.ts).
 */
import { integer } from "../parsers.ts";
import { setting } from "../setting.ts";

export const runSettings = {
  maxSteps: setting({
    key: "STEPGATE_MAX_STEPS",
    about: "Most steps of one run.",
    default: "10000",
    form: integer(1, 100_000),
  }),
  maxEdges: setting({
    key: "STEPGATE_MAX_EDGES",
    about: "Most edges of one plan.",
    default: "50000",
    form: integer(0, 1_000_000),
  }),
  maxPayloadBytes: setting({
    key: "STEPGATE_MAX_PAYLOAD_BYTES",
    about: "Largest payload of one step; more is an artifact.",
    default: "1048576",
    form: integer(1_024, 16_777_216),
  }),
} as const;
