/**
 * Versions of tools by name, opened once and kept: an old version never changes (spec 09).
 *
 * In: which version a step is bound to. Out: that version ready for use, or why there is none; what is stored must have the
 * digest that the step is bound to. Not here: what is opened (opened-tool.ts), registering (tenancy/).
 */
import { canonicalDigest } from "../../core/canonical-json.ts";
import { isStepgateError } from "../../core/errors.ts";
import type { TenantUid } from "../../core/ids.ts";
import { keepNewest } from "../../core/keep-newest.ts";
import { definitionJson, TOOL_TYPE, type ToolDefinition, type ToolRef } from "../../core/tool.ts";
import type { ExecutorAdapter } from "../contract.ts";
import { makeReader } from "../schema.ts";
import { makeCompileSchema } from "./compile-schema.ts";
import { type OpenDeps, type OpenedTool, openTool } from "./opened-tool.ts";
import { ToolInputs } from "./tool-adapter.ts";

export interface OpenToolsDeps extends Omit<OpenDeps, "compile" | "readInputs"> {
  readonly adapters: (type: string) => ExecutorAdapter | undefined;
  /** One stored version. @throws {StepgateError} STORE_UNAVAILABLE. */
  readonly read: (tenantUid: TenantUid, name: string, version: number) => Promise<ToolDefinition | undefined>;
  readonly maxTools: number;
}

export type ToolAnswer =
  | { readonly ok: true; readonly tool: OpenedTool }
  | { readonly ok: false; readonly reason: "tool_not_registered" | "tool_changed" | "tool_unusable" };

export type OpenTools = (tenantUid: TenantUid, ref: ToolRef) => Promise<ToolAnswer>;

export function makeOpenTools(deps: OpenToolsDeps): OpenTools {
  const open = makeOpen({ ...deps, compile: makeCompileSchema(deps.maxTools), readInputs: makeReader(ToolInputs) });
  const known = new Map<string, Promise<ToolAnswer>>();
  return async (tenantUid, ref) => {
    const key = `${tenantUid}/${ref.name}/${ref.version}/${ref.digest}`;
    const answer = known.get(key) ?? open(tenantUid, ref);
    keepNewest(known, key, answer, deps.maxTools);
    const isKept = await answer.then(
      ({ ok }) => ok,
      () => false,
    );
    // a refusal may have been the store's, or be mended; it is looked for anew
    if (!isKept) known.delete(key);
    return answer;
  };
}

function makeOpen(deps: OpenToolsDeps & OpenDeps): OpenTools {
  return async (tenantUid, { name, version, digest }) => {
    const definition = await deps.read(tenantUid, name, version);
    if (definition === undefined) return { ok: false, reason: "tool_not_registered" };
    if (canonicalDigest(definitionJson(definition)) !== digest) return { ok: false, reason: "tool_changed" };
    const executor = definition.executor === TOOL_TYPE ? undefined : deps.adapters(definition.executor);
    if (executor === undefined) return { ok: false, reason: "tool_unusable" };
    try {
      return { ok: true, tool: openTool(deps, { definition, digest }, executor) };
    } catch (caught) {
      // registered by a version of ours that let more pass
      if (isStepgateError(caught, "FIELD_INVALID")) return { ok: false, reason: "tool_unusable" };
      throw caught;
    }
  };
}
