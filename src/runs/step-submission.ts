/**
 * The submitted form of one step: the schema that the API publishes, and the type derived from it (spec 01).
 *
 * In: nothing. Out: `StepSubmission`. Unknown fields are refused everywhere but inside `inputs` and pack options.
 * Not here: runs (submission.ts), checking (read-submission.ts), defaults and units (normalize-step.ts).
 */
import Type, { type Static } from "typebox";
import { NAME_PATTERN } from "../core/ids.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";

/** A submitted value as the code holds it: nothing in it changes. Any JSON is immutable already. */
export type Submitted<T> = [JsonValue] extends [T] ? T : SubmittedMember<T>;

type SubmittedMember<T> = T extends string | number | boolean | null | undefined
  ? T
  : string extends keyof T
    ? T
    : { readonly [K in keyof T]: Submitted<T[K]> };

/** One year: longer waits are mistakes, and sums of them stay far below 2^53. */
export const MAX_DURATION_MS = 31_536_000_000;
export const STEP_TYPE_PATTERN = "^[a-z][a-z0-9_]{0,63}$";
const MAX_INT32 = 2_147_483_647;
const MAX_INT16 = 32_767;

/** An object whose members are all declared. */
export const closed = { additionalProperties: false } as const;

/** A JSON object of any content. */
export const freeObject = (description: string) => Type.Unsafe<JsonObject>({ type: "object", description });

/** A name of the pattern that callers may choose: run, step and label names. */
export const name = (description: string) => Type.String({ pattern: NAME_PATTERN, description });

/** An integer between `minimum` and `maximum` (2^53 − 1 unless told). */
export const integer = (minimum: number, description: string, maximum: number = Number.MAX_SAFE_INTEGER) =>
  Type.Integer({ minimum, maximum, description });

/** One of a few words. */
export const oneOf = <const Words extends readonly string[]>(words: Words, description?: string) =>
  Type.Unsafe<Words[number]>({ type: "string", enum: [...words], ...(description !== undefined && { description }) });

/** Tokens and money; money either as integer micro-USD or as decimal USD, never both. */
export const AmountSubmission = Type.Object(
  {
    tokens: Type.Optional(integer(0, "Tokens.")),
    usd_micros: Type.Optional(integer(0, "Money in integer micro-USD; not together with `cost`.")),
    cost: Type.Optional(
      Type.Union([Type.Number({ minimum: 0 }), Type.String({ pattern: "^[0-9]{1,16}(\\.[0-9]{1,6})?$" })], {
        description: "Money in decimal USD, number or text, at most six decimals; not together with `usd_micros`.",
      }),
    ),
  },
  closed,
);
export type AmountSubmission = Submitted<Static<typeof AmountSubmission>>;

const StepPackSubmission = Type.Object(
  {
    name: name("Id of a policy pack."),
    hooks: Type.Optional(
      // `mid` is read so that its refusal can say why (normalize-step.ts)
      Type.Array(oneOf(["pre", "post", "mid"]), {
        minItems: 1,
        uniqueItems: true,
        description: "Where the pack decides: before the effect, after it. Default: both. `mid` is refused.",
      }),
    ),
    options: Type.Optional(
      freeObject(
        "What the pack is told: integers, booleans and short identifiers, as its manifest declares. Default: {}.",
      ),
    ),
  },
  closed,
);

const SloSubmission = Type.Object(
  {
    tier: name("One of the platform's tiers."),
    queue_target_ms: Type.Optional(
      integer(1, "Longest wait in the queue; clamped to the tier's smallest. Default 30 000.", MAX_DURATION_MS),
    ),
    priority_boost: Type.Optional(
      integer(-MAX_INT16, "Added to the run's priority; clamped to the tier's largest. Default 0.", MAX_INT16),
    ),
    error_budget_ppm: Type.Optional(
      integer(0, "Share of steps that may miss the target, in ppm. Default 0.", 1_000_000),
    ),
  },
  closed,
);

const StepPolicySubmission = Type.Object(
  {
    guardrails: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 256 }), {
        maxItems: 64,
        description: "Guardrail flags, such as `redact_pii` or `egress_http_allowlist:<domain>`. They only restrict.",
      }),
    ),
    packs: Type.Optional(
      Type.Array(StepPackSubmission, {
        maxItems: 32,
        description: "Policy packs that decide beside the tenant's. They only restrict.",
      }),
    ),
    budget: Type.Optional(AmountSubmission),
    slo: Type.Optional(SloSubmission),
    pack: Type.Optional(name("Label under which the step's decisions are counted. Default `baseline`.")),
  },
  { ...closed, description: "What may stop, change or delay the step." },
);

const CompensationSubmission = Type.Object(
  {
    step: name("The step that undoes this one: no edges, no other origin, no compensation of its own."),
    on: Type.Optional(oneOf(["failure_of_step", "failure_of_run"], "When it runs. Default `failure_of_step`.")),
  },
  closed,
);

const StepExecutionSubmission = Type.Object(
  {
    max_attempts: Type.Optional(
      integer(1, "Attempts that may end in an error. Default: the run's retry policy, else 1.", MAX_INT32),
    ),
    retry_backoff_ms: Type.Optional(integer(0, "Delay before the second attempt; 0 = the worker's.", MAX_DURATION_MS)),
    retry_backoff_factor: Type.Optional(
      Type.Number({ minimum: 1, maximum: 1_000, description: "Growth of the delay, at most six decimals. Default 2." }),
    ),
    deadline_ms: Type.Optional(integer(0, "Longest time from first ready to end; 0 = none.", MAX_DURATION_MS)),
    checkpoint: Type.Optional(Type.Boolean({ description: "Output is handed to the next attempt. Default false." })),
    compensation: Type.Optional(CompensationSubmission),
    cost_hint: Type.Optional(AmountSubmission),
    concurrency_key: Type.Optional(name("Steps with one key share the tenant's limit for it.")),
    facts: Type.Optional(Type.Boolean({ description: "Outside reads are recorded once and read back." })),
  },
  { ...closed, description: "How the step is tried." },
);

const stepFields = {
  type: Type.String({
    pattern: STEP_TYPE_PATTERN,
    description: "Which executor performs it: `noop`, `process`, `http` …",
  }),
  slug: Type.Optional(name("A name that people and breakpoints use.")),
  policy: Type.Optional(StepPolicySubmission),
  execution: Type.Optional(StepExecutionSubmission),
  trust: Type.Optional(
    Type.Literal("untrusted", {
      description: "A caller can only lower trust, and what comes from outside is untrusted already.",
    }),
  ),
};
const inputs = Type.Optional(
  freeObject(
    'What the executor gets; anywhere in it `{"$from": "<step>", "pointer": "/…"}` takes a dependency\'s output. Default {}.',
  ),
);

/** A step of a plan with its inputs. */
export const StepSubmission = Type.Object({ id: name("Unique in the plan."), ...stepFields, inputs }, closed);
export type StepSubmission = Submitted<Static<typeof StepSubmission>>;

/** A step of a plan that is registered without inputs. */
export const PlannedStepSubmission = Type.Object({ id: name("Unique in the plan."), ...stepFields }, closed);

/** A step that stands alone; its id may be left out. */
export const SingleStepSubmission = Type.Object(
  { id: Type.Optional(name("Default `step`.")), ...stepFields, inputs },
  closed,
);
