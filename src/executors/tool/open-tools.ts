/**
 * Versions of tools by name, opened once and kept: an old version never changes (spec 09).
 *
 * In: which version a step is bound to. Out: that version ready for use, or why there is none; what is stored must have the
 * digest that the step is bound to. Not here: what is opened (opened-tool.ts), registering (tenancy/).
 */
import { isStepgateError } from "../../core/errors.ts";
import type { Digest, TenantUid } from "../../core/ids.ts";
import { keepNewest } from "../../core/keep-newest.ts";
import { TOOL_TYPE, type ToolDefinition, type ToolRef } from "../../core/tool.ts";
import type { ExecutorAdapter } from "../contract.ts";
import { makeReader } from "../schema.ts";
import { makeCompileSchema } from "./compile-schema.ts";
import { type OpenDeps, type OpenedTool, openTool } from "./opened-tool.ts";
import { ToolInputs } from "./tool-adapter.ts";

export interface OpenToolsDeps extends Omit<OpenDeps, "compile" | "readInputs"> {
  readonly adapters: (type: string) => ExecutorAdapter | undefined;
  /** One stored version, and the digest of what is stored. @throws {StepgateError} STORE_UNAVAILABLE. */
  readonly read: (tenantUid: TenantUid, name: string, version: number) => Promise<StoredDefinition | undefined>;
  readonly maxTools: number;
}

export interface StoredDefinition {
  readonly digest: Digest;
  /** Undefined for one of a form that this release does not read. */
  readonly definition: ToolDefinition | undefined;
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
    const stored = await deps.read(tenantUid, name, version);
    if (stored === undefined) return { ok: false, reason: "tool_not_registered" };
    if (stored.digest !== digest) return { ok: false, reason: "tool_changed" };
    const { definition } = stored;
    const isRouted = definition !== undefined && definition.executor !== TOOL_TYPE;
    const executor = isRouted ? deps.adapters(definition.executor) : undefined;
    if (definition === undefined || executor === undefined) return { ok: false, reason: "tool_unusable" };
    try {
      return { ok: true, tool: openTool(deps, { definition, digest }, executor) };
    } catch (caught) {
      // registered by a version of ours that let more pass
      if (isStepgateError(caught, "FIELD_INVALID", "TOOL_SECRET_PLACE")) return { ok: false, reason: "tool_unusable" };
      throw caught;
    }
  };
}
