/**
 * One version of a tool, ready for use: its checks compiled, and an adapter that performs it through its executor.
 *
 * In: a definition and its executor. Out: `OpenedTool`. The adapter verifies that the token names this definition, binds the
 * arguments, lets the executor do the rest under its own audience, and holds the output against `output_schema`.
 * Not here: which version a step is bound to (runs/), keeping opened ones (open-tools.ts).
 */
import { AMOUNT_UNITS } from "../../core/amount.ts";
import { canonicalJson } from "../../core/canonical-json.ts";
import type { ScopeLimits } from "../../core/capability.ts";
import { isStepgateError } from "../../core/errors.ts";
import type { Digest } from "../../core/ids.ts";
import type { IsolationLevel } from "../../core/isolation.ts";
import type { JsonObject } from "../../core/json.ts";
import type { ToolSecret } from "../../core/secret.ts";
import type { StepSpec } from "../../core/step.ts";
import type { EffectClass, ToolDefinition } from "../../core/tool.ts";
import type { ExecutionContext, ExecutorAdapter, ExecutorResult } from "../contract.ts";
import { executionError } from "../failure.ts";
import type { AdapterDeps } from "../ports.ts";
import type { makeReader } from "../schema.ts";
import { makeTokenCheck, refusedToken } from "../token-guard.ts";
import type { ValidateInputs } from "../validate-inputs.ts";
import { bindArguments } from "./bind-arguments.ts";
import { checkSecrets, secretRefusals } from "./check-secrets.ts";
import type { CompileSchema, SchemaCheck } from "./compile-schema.ts";
import type { ToolInputs } from "./tool-adapter.ts";

export interface OpenedTool {
  readonly name: string;
  readonly effects: EffectClass;
  /** Whether doing it twice is doing it once. */
  readonly isIdempotent: boolean;
  readonly minIsolation: IsolationLevel | undefined;
  /** What a token for it may allow at most. */
  readonly limits: Partial<ScopeLimits>;
  readonly egress: readonly string[] | undefined;
  /** What its executor is handed at *execute*; in no scope, record or decision but by name and reference. */
  readonly secrets: readonly ToolSecret[];
  /** Of `inputs`: tool and arguments. Keys it does not name are payload. */
  readonly inputsSchema: JsonObject;
  /**
   * Pointers of what is wrong with the inputs of a step; empty when they fit tool and executor.
   *
   * @throws {StepgateError} TOOL_WORK_EXCEEDED when it would take too long to find out.
   */
  readonly inputFaults: (inputs: JsonObject) => readonly string[];
  /** Canonical text of what its executor would get for the inputs of a step; `null` when the arguments do not bind. */
  readonly boundText: (inputs: JsonObject) => string;
  /** Of the executor's type and audience; it takes the step as it was submitted. */
  readonly adapter: ExecutorAdapter;
}

export interface OpenDeps extends AdapterDeps {
  readonly compile: CompileSchema;
  readonly readInputs: ReturnType<typeof makeReader<typeof ToolInputs>>;
  readonly validateInputs: ValidateInputs;
}

/** A definition with the digest that it was held against. */
export interface FoundTool {
  readonly definition: ToolDefinition;
  readonly digest: Digest;
}

/** Opens a definition. @throws {StepgateError} FIELD_INVALID, TOOL_SECRET_PLACE when nothing can perform it any more. */
export function openTool(deps: OpenDeps, found: FoundTool, executor: ExecutorAdapter): OpenedTool {
  const { definition } = found;
  checkSecrets(definition, executor);
  const { name, effects, idempotent, config, min_isolation: minIsolation, limits, egress } = definition;
  const { secrets = [] } = definition;
  const { readInputs } = deps;
  const argumentFault = deps.compile(definition.input_schema, "/input_schema");
  // stages ask for the same inputs one after the other, and nobody changes them
  const known = new WeakMap<JsonObject, { readonly bound: JsonObject | undefined }>();
  const texts = new WeakMap<JsonObject, string>();
  const bind = (inputs: JsonObject): JsonObject | undefined => {
    const before = known.get(inputs);
    if (before !== undefined) return before.bound;
    const read = readInputs(inputs);
    const bound = read === undefined || read.tool !== name ? undefined : bindArguments(config, read.arguments ?? {});
    known.set(inputs, { bound });
    return bound;
  };
  return {
    name,
    effects,
    isIdempotent: idempotent,
    minIsolation,
    limits,
    egress,
    secrets,
    inputsSchema: inputsSchema(definition.input_schema),
    inputFaults: (inputs) => {
      const read = readInputs(inputs);
      if (read === undefined) return deps.validateInputs("tool", inputs) ?? ["/"];
      // a pack may patch inputs, but not which tool they are for
      if (read.tool !== name) return ["/tool"];
      const fault = argumentFault(read.arguments ?? {});
      if (fault !== undefined) return [`/arguments${fault}`];
      const bound = bind(inputs);
      const faults = bound === undefined ? undefined : deps.validateInputs(executor.type, bound);
      return faults?.length === 0 ? [] : ["/arguments"];
    },
    boundText: (inputs) => {
      const bound = bind(inputs);
      if (bound === undefined) return "null";
      const text = texts.get(bound) ?? canonicalJson(bound);
      texts.set(bound, text);
      return text;
    },
    adapter: toolAdapter(deps, { ...found, executor, bind }),
  };
}

/** Definitions stand at the top, where the references inside the schema of the arguments look for them. */
function inputsSchema({ $defs, ...argumentsSchema }: JsonObject): JsonObject {
  return {
    type: "object",
    properties: { tool: { type: "string" }, arguments: argumentsSchema },
    ...($defs === undefined ? {} : { $defs }),
  };
}

interface Routed extends FoundTool {
  readonly executor: ExecutorAdapter;
  readonly bind: (inputs: JsonObject) => JsonObject | undefined;
}

function toolAdapter(deps: OpenDeps, { definition, digest, executor, bind }: Routed): ExecutorAdapter {
  const { name, effects, defaults } = definition;
  const checkToken = makeTokenCheck({ ...deps, audience: executor.audience });
  const outputFault =
    definition.output_schema === undefined ? undefined : deps.compile(definition.output_schema, "/output_schema");
  const named = { tool: name, digest };
  const boundSpec = (spec: StepSpec): StepSpec | undefined => {
    const inputs = bind(spec.inputs);
    return inputs && { ...spec, type: executor.type, inputs };
  };
  // arguments that do not bind ask for nothing, and are refused by `check`
  const scope: ExecutorAdapter["scope"] = (spec, settings) => ({
    ...executor.scope(boundSpec(spec) ?? { ...spec, type: executor.type, inputs: {} }, settings),
    definition: named,
  });
  return {
    ...executor,
    describe: () => {
      const described = executor.describe();
      const meters = AMOUNT_UNITS.filter((unit) => described.meters.includes(unit) || (defaults[unit] ?? 0) > 0);
      return { ...described, effects, meters };
    },
    scope,
    check: (spec, settings, wanted) => {
      const bound = boundSpec(spec);
      if (bound === undefined) return { ok: false, kind: "invalid_request", reasons: ["arguments_do_not_bind"] };
      const checked = executor.check(bound, settings, wanted);
      const refused = checked.ok ? secretRefusals(executor, definition, bound, settings) : [];
      return refused.length === 0 ? checked : { ok: false, kind: "invalid_request", reasons: refused };
    },
    execute: async (context, signal) => {
      const verdict = checkToken(context, scope(context.spec, context.settings));
      if (!verdict.ok) return refusedToken(verdict.reasons);
      const spec = boundSpec(context.spec);
      if (spec === undefined) return refusedToken(["argument"]);
      const [refused] = secretRefusals(executor, definition, spec, context.settings);
      if (refused !== undefined)
        return executionError({
          code: refused,
          message: "the tool's secrets may not go with this call",
          isRetryable: false,
        });
      const { definition: _tool, ...demand } = context.demand;
      const call: ExecutionContext = { ...context, spec, demand };
      return judged(await executor.execute(call, signal), definition, outputFault);
    },
  };
}

/** What the executor answered, as this tool's answer: in its name, and in the form it promises. */
function judged(
  result: ExecutorResult,
  { name, version }: ToolDefinition,
  outputFault: SchemaCheck | undefined,
): ExecutorResult {
  if (!result.ok) return result;
  const { usage, toolEvents } = result;
  const failed = (code: string, message: string): ExecutorResult => ({
    ok: false,
    kind: "execution_error",
    retryable: false,
    code,
    message,
    ...(usage === undefined ? {} : { usage }),
    toolEvents,
  });
  try {
    if (outputFault?.(result.output) !== undefined)
      return failed("output_schema", "the output is not of the form that the tool's output_schema promises");
  } catch (caught) {
    if (!isStepgateError(caught, "TOOL_WORK_EXCEEDED")) throw caught;
    return failed("output_too_complex", "holding the output against the tool's output_schema would take too long");
  }
  return {
    ...result,
    provider: result.provider ?? name,
    providerVersion: result.providerVersion ?? String(version),
  };
}
