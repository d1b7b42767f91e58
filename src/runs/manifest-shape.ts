/**
 * What a manifest holds, and its stored form as a schema: what this version can read back (spec 08, manifest_deserialize_failed).
 *
 * In: parsed JSON. Out: a `Manifest`. Closed like the submission: a manifest of a newer version is refused, not guessed.
 * Not here: its digest (manifest.ts).
 */
import Type from "typebox";
import { Compile } from "typebox/compile";
import { StepgateError } from "../core/errors.ts";
import { type Digest, NAME_PATTERN } from "../core/ids.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { StepSpec } from "../core/step.ts";
import type { Edge } from "./normalize-submission.ts";
import { type RunConfig, type RunKind, readExecutionMode, readRunKind } from "./run-config.ts";
import { closed, oneOf, STEP_TYPE_PATTERN } from "./step-submission.ts";

export const MANIFEST_VERSION = 1;

/** A step of a manifest: all of it but the inputs, defaults filled in. */
export type PlannedStep = Omit<StepSpec, "inputs">;

export interface ManifestPlan {
  readonly steps: readonly PlannedStep[];
  readonly edges: readonly Edge[];
}

/** The software that the manifest was made with. */
export interface Build {
  readonly version: string;
  readonly commit: string;
}

export interface Manifest {
  readonly manifest_version: typeof MANIFEST_VERSION;
  readonly op_id: string;
  readonly kind: RunKind;
  readonly plan: ManifestPlan;
  readonly run_config: RunConfig;
  /** Versions by step type, of the types that the plan uses. */
  readonly executors: Readonly<Record<string, string>>;
  readonly build: Build;
}

const text = Type.String({ maxLength: 1_024 });
const stepId = Type.String({ pattern: NAME_PATTERN });
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const amount = Type.Object({ tokens: Type.Optional(count), usd_micros: Type.Optional(count) }, closed);
const anyObject = Type.Unsafe({ type: "object" });

const policy = Type.Object(
  {
    guardrails: Type.Array(text),
    packs: Type.Array(
      Type.Object({ name: text, hooks: Type.Array(oneOf(["pre", "post"])), options: anyObject }, closed),
    ),
    budget: Type.Optional(amount),
    slo: Type.Optional(
      Type.Object(
        { tier: text, queue_target_ms: count, priority_boost: Type.Integer(), error_budget_ppm: count },
        closed,
      ),
    ),
    pack: Type.Optional(text),
  },
  closed,
);

const execution = Type.Object(
  {
    max_attempts: Type.Integer({ minimum: 1 }),
    retry_backoff_ms: count,
    retry_backoff_factor_ppm: Type.Integer({ minimum: 1_000_000 }),
    retry_backoff_max_ms: Type.Optional(count),
    deadline_ms: count,
    checkpoint: Type.Boolean(),
    compensation: Type.Optional(
      Type.Object({ step: stepId, on: oneOf(["failure_of_step", "failure_of_run"]) }, closed),
    ),
    cost_hint: Type.Optional(amount),
    concurrency_key: Type.Optional(text),
    facts: Type.Optional(Type.Boolean()),
  },
  closed,
);

const backoff = Type.Union([
  Type.Object({ kind: Type.Literal("fixed"), delay_ms: count }, closed),
  Type.Object({ kind: Type.Literal("exponential"), base_ms: count, max_ms: count }, closed),
]);

const manifestShape = Type.Object(
  {
    manifest_version: Type.Literal(1),
    op_id: text,
    kind: text,
    plan: Type.Object(
      {
        steps: Type.Array(
          Type.Object(
            {
              id: stepId,
              type: Type.String({ pattern: STEP_TYPE_PATTERN }),
              slug: Type.Optional(text),
              policy,
              execution,
            },
            closed,
          ),
        ),
        edges: Type.Array(Type.Unsafe({ type: "array", items: stepId, minItems: 2, maxItems: 2 })),
      },
      closed,
    ),
    run_config: Type.Object(
      {
        execution_mode: text,
        max_parallel: Type.Integer({ minimum: 1 }),
        retry_policy: Type.Optional(
          Type.Object({ max_attempts: Type.Optional(count), backoff: Type.Optional(backoff) }, closed),
        ),
        fail_fast: Type.Boolean(),
        pin_packs: Type.Boolean(),
      },
      closed,
    ),
    executors: Type.Unsafe({ type: "object", additionalProperties: { type: "string" } }),
    build: Type.Object({ version: text, commit: text }, closed),
  },
  closed,
);

type StoredShape = Omit<Manifest, "kind" | "run_config"> & {
  readonly kind: string;
  readonly run_config: Omit<Manifest["run_config"], "execution_mode"> & { readonly execution_mode: string };
};

/**
 * Makes the check of a parsed manifest; compile once.
 *
 * @throws {StepgateError} (the check) MANIFEST_DESERIALIZE_FAILED {manifest_id, path}, then UNSUPPORTED_EXECUTION_MODE.
 */
export function makeReadManifestShape(): (value: JsonValue, id: Digest) => Manifest {
  const validator = Compile(manifestShape);
  const hasShape = (value: JsonValue): value is JsonObject & StoredShape => validator.Check(value);
  return (value, id) => {
    if (!hasShape(value)) {
      const path = validator.Errors(value)[0]?.instancePath ?? "";
      throw new StepgateError("MANIFEST_DESERIALIZE_FAILED", { manifest_id: id, path });
    }
    const { kind, run_config: runConfig, ...rest } = value;
    return {
      ...rest,
      kind: readRunKind(kind),
      run_config: { ...runConfig, execution_mode: readExecutionMode(runConfig.execution_mode) },
    };
  };
}
