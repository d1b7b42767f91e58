/**
 * One version of a tool, ready for use: its checks compiled, and an adapter that performs it through its executor.
 *
 * In: a definition and its executor. Out: `OpenedTool`. The adapter verifies that the token names this definition, binds the
 * arguments, lets the executor do the rest under its own audience, and holds the output against `output_schema`.
 * Not here: which version a step is bound to (runs/), keeping opened ones (open-tools.ts).
 */
import type { ScopeLimits } from "../../core/capability.ts";
import type { IsolationLevel } from "../../core/isolation.ts";
import type { JsonObject } from "../../core/json.ts";
import type { StepSpec } from "../../core/step.ts";
import { definitionJson, type EffectClass, type ToolDefinition } from "../../core/tool.ts";
import type { ExecutionContext, ExecutorAdapter, ExecutorResult } from "../contract.ts";
import type { AdapterDeps } from "../ports.ts";
import type { makeReader } from "../schema.ts";
import { makeTokenCheck, refusedToken } from "../token-guard.ts";
import type { ValidateInputs } from "../validate-inputs.ts";
import { bindArguments } from "./bind-arguments.ts";
import type { CompileSchema, SchemaCheck } from "./compile-schema.ts";
import type { ToolInputs } from "./tool-adapter.ts";

export interface OpenedTool {
  readonly name: string;
  readonly effects: EffectClass;
  readonly minIsolation: IsolationLevel | undefined;
  /** What a token for it may allow at most. */
  readonly limits: Partial<ScopeLimits>;
  readonly egress: readonly string[] | undefined;
  /** Of `inputs`: tool and arguments. Keys it does not name are payload. */
  readonly inputsSchema: JsonObject;
  /** Pointers of what is wrong with the inputs of a step; empty when they fit tool and executor. */
  readonly inputFaults: (inputs: JsonObject) => readonly string[];
  /** Of the executor's type and audience; it takes the step as it was submitted. */
  readonly adapter: ExecutorAdapter;
}

export interface OpenDeps extends AdapterDeps {
  readonly compile: CompileSchema;
  readonly readInputs: ReturnType<typeof makeReader<typeof ToolInputs>>;
  readonly validateInputs: ValidateInputs;
}

/** Opens a definition. @throws {StepgateError} FIELD_INVALID when a schema of it does not compile. */
export function openTool(deps: OpenDeps, definition: ToolDefinition, executor: ExecutorAdapter): OpenedTool {
  const { name, effects, config, min_isolation: minIsolation, limits, egress } = definition;
  const { readInputs } = deps;
  const argumentFault = deps.compile(definition.input_schema, "/input_schema");
  const bind = (inputs: JsonObject): JsonObject | undefined => {
    const read = readInputs(inputs);
    return read === undefined || read.tool !== name ? undefined : bindArguments(config, read.arguments ?? {});
  };
  return {
    name,
    effects,
    minIsolation,
    limits,
    egress,
    inputsSchema: { type: "object", properties: { tool: { type: "string" }, arguments: definition.input_schema } },
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
    adapter: toolAdapter(deps, { definition, executor, bind }),
  };
}

interface Routed {
  readonly definition: ToolDefinition;
  readonly executor: ExecutorAdapter;
  readonly bind: (inputs: JsonObject) => JsonObject | undefined;
}

function toolAdapter(deps: OpenDeps, { definition, executor, bind }: Routed): ExecutorAdapter {
  const { name, effects, defaults } = definition;
  const checkToken = makeTokenCheck({ ...deps, audience: executor.audience });
  const outputFault =
    definition.output_schema === undefined ? undefined : deps.compile(definition.output_schema, "/output_schema");
  const named = { tool: name, value: definitionJson(definition) };
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
      const isPriced = (defaults.tokens ?? 0) > 0 || (defaults.usd_micros ?? 0) > 0;
      return { ...described, effects, isMetered: described.isMetered || isPriced };
    },
    scope,
    check: (spec, settings, wanted) => {
      const bound = boundSpec(spec);
      if (bound === undefined) return { ok: false, kind: "invalid_request", reasons: ["arguments_do_not_bind"] };
      return executor.check(bound, settings, wanted);
    },
    execute: async (context, signal) => {
      const verdict = checkToken(context, scope(context.spec, context.settings));
      if (!verdict.ok) return refusedToken(verdict.reasons);
      const spec = boundSpec(context.spec);
      if (spec === undefined) return refusedToken(["argument"]);
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
  if (outputFault?.(result.output) === undefined) {
    return {
      ...result,
      provider: result.provider ?? name,
      providerVersion: result.providerVersion ?? String(version),
    };
  }
  return {
    ok: false,
    kind: "execution_error",
    retryable: false,
    code: "output_schema",
    message: "the output is not of the form that the tool's output_schema promises",
    ...(result.usage === undefined ? {} : { usage: result.usage }),
    toolEvents: result.toolEvents,
  };
}
