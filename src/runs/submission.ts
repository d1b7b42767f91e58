/**
 * What callers send: a run, a single step, a plan to register, a decision to take (spec 01, 08).
 *
 * In: nothing. Out: schemas for routes and OpenAPI, with their types. Limits that an operator may change (numbers of
 * steps and edges, payload sizes) are checked with the plan, not here. Not here: checking (read-submission.ts).
 */
import Type, { type Static } from "typebox";
import { BOUNDARIES } from "../core/decision.ts";
import { DIGEST_PATTERN, NAME_PATTERN } from "../core/ids.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import {
  AmountSubmission,
  closed,
  integer,
  MAX_DURATION_MS,
  name,
  oneOf,
  PlannedStepSubmission,
  SingleStepSubmission,
  StepSubmission,
  type Submitted,
} from "./step-submission.ts";

const BackoffSubmission = Type.Union(
  [
    Type.Object(
      { kind: Type.Literal("fixed"), delay_ms: integer(0, "The same delay each time.", MAX_DURATION_MS) },
      closed,
    ),
    Type.Object(
      {
        kind: Type.Literal("exponential"),
        base_ms: integer(0, "First delay; it doubles each time.", MAX_DURATION_MS),
        max_ms: integer(1, "Longest delay.", MAX_DURATION_MS),
      },
      closed,
    ),
  ],
  { description: "Delay between attempts of steps that set none themselves." },
);

const RunConfigSubmission = Type.Object(
  {
    execution_mode: Type.Optional(
      Type.String({ maxLength: 64, description: "`fan_out` (default) or `sequential`; any other is unsupported." }),
    ),
    max_parallel: Type.Optional(integer(1, "Most steps in work at once. Default 256; sequential: 1.", 10_000)),
    retry_policy: Type.Optional(
      Type.Object(
        {
          max_attempts: Type.Optional(integer(1, "For steps that set none. Default 1.", 2_147_483_647)),
          backoff: Type.Optional(BackoffSubmission),
        },
        closed,
      ),
    ),
    fail_fast: Type.Optional(
      Type.Boolean({ description: "The first failed step skips what has not started. Default false." }),
    ),
    pin_packs: Type.Optional(Type.Boolean({ description: "Decide with the packs of the submission. Default false." })),
  },
  { ...closed, description: "How the run proceeds; part of its manifest." },
);

const edges = Type.Optional(
  Type.Array(
    Type.Unsafe<readonly [string, string]>({
      type: "array",
      items: { type: "string", pattern: NAME_PATTERN },
      minItems: 2,
      maxItems: 2,
    }),
    { description: "Dependencies as [from, to] pairs of step ids; a repeated pair counts once." },
  ),
);

const labels = Type.Optional(
  Type.Unsafe<Readonly<Record<string, string>>>({
    type: "object",
    propertyNames: { pattern: NAME_PATTERN },
    additionalProperties: { type: "string", maxLength: 1_024 },
    maxProperties: 64,
    description: "Names and values for people and packs; the values are kept sealed.",
  }),
);

const trace = Type.Optional(
  Type.Object(
    {
      traceparent: Type.String({
        maxLength: 512,
        description: "W3C trace context; one that is not valid is replaced.",
      }),
      tracestate: Type.Optional(Type.String({ maxLength: 512, description: "W3C tracestate." })),
    },
    closed,
  ),
);

/** Where to pause: also the body that sets or removes one on a live run. */
export const BreakpointSubmission = Type.Object(
  {
    target: oneOf(["step", "slug", "type"], "What `value` names."),
    value: name("A step id, a slug or a step type."),
  },
  closed,
);
export type Breakpoint = Submitted<Static<typeof BreakpointSubmission>>;

const kind = Type.Optional(
  Type.String({ maxLength: 64, description: "`dag` (default), the only kind this route starts." }),
);
const opId = Type.Optional(name("Name of the operation. Default: the digest of the plan."));

/** Fields of one start, the same for a run and for a single step. */
const startFields = {
  id: Type.Optional(name("The run's id, unique in its tenant while the run is kept.")),
  op_id: opId,
  labels,
  subject: Type.Optional(
    Type.String({ minLength: 1, maxLength: 256, description: "Whose data this is; it can be erased by that name." }),
  ),
  priority: Type.Optional(
    Type.Integer({ minimum: -32_768, maximum: 32_767, description: "Higher goes first. Default 0." }),
  ),
  seed: Type.Optional(integer(1, "Seed of everything random in the run.")),
  time_limit_ms: Type.Optional(integer(1, "Longest time from submission to end.", MAX_DURATION_MS)),
  trace,
  debug: Type.Optional(
    Type.Object(
      {
        breakpoints: Type.Array(BreakpointSubmission, {
          maxItems: 1_000,
          description: "Where the run pauses before a step starts; each pauses once.",
        }),
      },
      closed,
    ),
  ),
  budget: Type.Optional(AmountSubmission),
};

/** Body of `POST /v1/runs`: a plan, or the id of a registered one with inputs, or both if they match. */
export const RunSubmission = Type.Object(
  {
    ...startFields,
    kind,
    steps: Type.Optional(Type.Array(StepSubmission, { description: "The plan's steps in order of declaration." })),
    edges,
    run_config: Type.Optional(RunConfigSubmission),
    manifest_id: Type.Optional(Type.String({ pattern: DIGEST_PATTERN, description: "Id of a registered plan." })),
    inputs: Type.Optional(
      Type.Unsafe<Readonly<Record<string, JsonObject>>>({
        type: "object",
        additionalProperties: { type: "object" },
        description: "Inputs by step id, with `manifest_id` and without `steps`.",
      }),
    ),
  },
  closed,
);
export type RunSubmission = Submitted<Static<typeof RunSubmission>>;
export type RunConfigSubmission = Submitted<Static<typeof RunConfigSubmission>>;

/** Body of `POST /v1/manifests`: a plan without inputs, to be started any number of times. */
export const ManifestSubmission = Type.Object(
  {
    op_id: opId,
    kind,
    steps: Type.Array(PlannedStepSubmission, { description: "The plan's steps without inputs." }),
    edges,
    run_config: Type.Optional(RunConfigSubmission),
  },
  closed,
);
export type ManifestSubmission = Submitted<Static<typeof ManifestSubmission>>;

/** Body of `POST /v1/steps`: one step, run at once as a run of its own. */
export const StepRequest = Type.Object({ ...startFields, step: SingleStepSubmission }, closed);
export type StepRequest = Submitted<Static<typeof StepRequest>>;

/** Body of `POST /v1/decisions`: what would be decided; nothing is performed. */
export const DecisionRequest = Type.Object(
  {
    boundary: oneOf(BOUNDARIES, "The point where data crosses trust."),
    step: SingleStepSubmission,
    labels,
    output: Type.Optional(Type.Unsafe<JsonValue>({ description: "What came out; at the egress boundaries only." })),
  },
  closed,
);
export type DecisionRequest = Submitted<Static<typeof DecisionRequest>>;
