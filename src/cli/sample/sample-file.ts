/**
 * Sample files: a run submission that says what it expects, with values that are made anew for each run.
 *
 * In: the file's text, values. Out: the submission to send, the executors' settings, the expectations. `${name}` inside
 * any text is replaced by the value of that name; `sample` and each step's `expect` are taken out before sending.
 * Not here: making values (random-values.ts), sending (run-sample.ts), comparing (compare.ts).
 */
import Type, { type Static } from "typebox";
import { Compile } from "typebox/compile";
import { StepgateError } from "../../core/errors.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../../core/json.ts";
import { parseJson } from "../../core/parse-json.ts";

const closed = { additionalProperties: false } as const;

/** Everything that is named must be so; what is left out is not looked at. */
const StepExpectation = Type.Object(
  {
    state: Type.Union(["succeeded", "failed", "refused", "skipped"].map((state) => Type.Literal(state))),
    executor: Type.Optional(Type.String()),
    isolation: Type.Optional(Type.String()),
    decision: Type.Optional(Type.String()),
    redacted: Type.Optional(Type.Array(Type.String())),
    attempts: Type.Optional(Type.Integer({ minimum: 0 })),
    error_kind: Type.Optional(Type.String()),
    reasons: Type.Optional(Type.Array(Type.String())),
    undoes: Type.Optional(Type.String()),
    /** Texts that the sample's server must have been sent. */
    server_sees: Type.Optional(Type.Array(Type.String())),
    cost: Type.Optional(Type.Object({ tokens: Type.Integer(), usd_micros: Type.Integer() }, closed)),
  },
  closed,
);
export type StepExpectation = Static<typeof StepExpectation>;

const Sample = Type.Object(
  {
    about: Type.String(),
    status: Type.String(),
    executors: Type.Record(Type.String(), Type.Record(Type.String(), Type.Unknown())),
    /** Values that no request to the sample's server may hold, and no event. */
    server_never_sees: Type.Array(Type.String()),
  },
  closed,
);

export interface SampleFile {
  readonly about: string;
  readonly status: string;
  /** Settings by step type, set before the run. */
  readonly executors: Readonly<Record<string, JsonObject>>;
  readonly serverNeverSees: readonly string[];
  /** By step. */
  readonly expected: ReadonlyMap<string, StepExpectation>;
  /** What POST /v1/runs gets. */
  readonly submission: JsonObject;
}

export interface SampleInput {
  readonly text: Uint8Array;
  readonly values: Readonly<Record<string, string>>;
  /** Whether this machine gives process steps the isolation they ask for. */
  readonly hasSandbox: boolean;
}

/** Reads a sample. @throws {StepgateError} FIELD_INVALID for another form or a value that nobody makes. */
export function readSample({ text, values, hasSandbox }: SampleInput): SampleFile {
  const file = fill(parseJson(text), values);
  if (!isJsonObject(file)) throw invalid("");
  const { sample, steps = [], ...rest } = file;
  const about = Compile(Sample);
  if (!about.Check(sample)) throw invalid("/sample");
  if (!isJsonArray(steps)) throw invalid("/steps");
  const form = Compile(StepExpectation);
  const expected = new Map<string, StepExpectation>();
  const sent = steps.map((step, index) => {
    if (!isJsonObject(step)) throw invalid(`/steps/${index}`);
    const { id, expect, expect_without_sandbox: without = expect, ...plain } = step;
    const expectation = hasSandbox ? expect : without;
    if (typeof id !== "string" || !form.Check(expectation)) throw invalid(`/steps/${index}`);
    expected.set(id, expectation);
    return { id, ...plain };
  });
  return {
    about: sample.about,
    status: sample.status,
    executors: sample.executors as Readonly<Record<string, JsonObject>>,
    serverNeverSees: sample.server_never_sees,
    expected,
    submission: { ...rest, steps: sent },
  };
}

function fill(value: JsonValue, values: Readonly<Record<string, string>>): JsonValue {
  if (typeof value === "string") {
    return value.replaceAll(/\$\{([a-z_]+)\}/g, (_, name: string) => {
      const found = Object.hasOwn(values, name) ? values[name] : undefined;
      if (found === undefined) throw new StepgateError("FIELD_INVALID", { reason: "no such value", name });
      return found;
    });
  }
  if (isJsonArray(value)) return value.map((item) => fill(item, values));
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, fill(member, values)]));
}

function invalid(field: string): StepgateError {
  return new StepgateError("FIELD_INVALID", { field, reason: "not of a sample's form" });
}
