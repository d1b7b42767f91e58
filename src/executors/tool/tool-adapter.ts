/**
 * `tool`: routes a step to the executor of its tool's registration (spec 09).
 *
 * In: `{tool, arguments}`. Out: what that executor answers. The type itself performs nothing: the gate asks for the adapter of
 * the very version that the step is bound to (opened-tool.ts), and a step without one is refused here too.
 */
import Type, { type Static } from "typebox";
import { NAME_PATTERN } from "../../core/ids.ts";
import type { JsonObject } from "../../core/json.ts";
import { TOOL_TYPE } from "../../core/tool.ts";
import type { ExecutorAdapter } from "../contract.ts";
import { executionError } from "../failure.ts";
import { closed, publishSchema, type Read } from "../schema.ts";

const NOT_REGISTERED = "tool_not_registered";

export const ToolInputs = Type.Object(
  {
    tool: Type.String({ pattern: NAME_PATTERN, description: "The name of a registered tool; no reference." }),
    arguments: Type.Optional(
      Type.Unsafe<JsonObject>({ type: "object", description: "As its `input_schema` wants them. Default {}." }),
    ),
  },
  closed,
);
export type ToolInputs = Read<Static<typeof ToolInputs>>;

export function makeToolAdapter(): ExecutorAdapter {
  return {
    type: TOOL_TYPE,
    audience: "adapter.tool",
    settingsSchema: publishSchema(Type.Object({}, closed)),
    inputsSchema: publishSchema(ToolInputs),
    defaultSettings: {},
    secrets: undefined,
    describe: () => ({
      type: TOOL_TYPE,
      version: "1.0.0",
      summary: "Calls a registered tool through its executor.",
      effects: "write",
      meters: [],
      isolation: "none",
    }),
    scope: () => ({
      action: "invoke",
      location: "adapter:tool",
      tool: TOOL_TYPE,
      arguments: {},
      limits: { calls: 1 },
      egress: [],
      data: [],
    }),
    check: () => ({ ok: false, kind: "invalid_request", reasons: [NOT_REGISTERED] }),
    selfTest: async () => ({ level: "none", checks: [], advice: undefined }),
    execute: async () =>
      executionError({ code: NOT_REGISTERED, message: "the step is bound to no tool", isRetryable: false }),
  };
}
