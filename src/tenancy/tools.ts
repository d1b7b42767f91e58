/**
 * Tools and executor settings of a tenant, as operators set and see them (spec 09).
 *
 * A definition that changes makes a new version; an old one is never edited. Settings are checked by the adapter's own
 * schema before they are stored. Not here: HTTP, rows, adapters.
 */
import { canonicalDigest } from "../core/canonical-json.ts";
import { StepgateError } from "../core/errors.ts";
import type { TenantUid } from "../core/ids.ts";
import type { IsolationLevel } from "../core/isolation.ts";
import type { JsonObject } from "../core/json.ts";
import type { TenantStore, ToolRow } from "./ports.ts";

interface Caller {
  readonly keyId: string;
  readonly tenantUid: TenantUid;
}

export interface ToolSubmission {
  readonly version: number;
  readonly executor: string;
}

/** What an adapter says of itself (executors/contract.ts), handed in: siblings do not import each other. */
export interface KnownExecutor {
  readonly type: string;
  readonly version: string;
  readonly summary: string;
  readonly effects: "none" | "read" | "write";
  readonly isolation: IsolationLevel;
  readonly defaultSettings: JsonObject;
  readonly settingsSchema: JsonObject;
  readonly inputsSchema: JsonObject;
}

export interface ToolDeps {
  readonly store: TenantStore;
  readonly executors: () => readonly KnownExecutor[];
  /** Pointers of what is wrong with settings of this type; empty when they fit. */
  readonly validateSettings: (type: string, settings: JsonObject) => readonly string[];
}

export function makeTools({ store, executors }: Pick<ToolDeps, "store" | "executors">) {
  return {
    list: async ({
      caller,
      after,
      limit,
    }: {
      readonly caller: Caller;
      readonly after: string | undefined;
      readonly limit: number;
    }) => {
      const rows = await store.tools(caller.tenantUid, after, limit + 1);
      const page = rows.slice(0, limit);
      return { items: page.map(viewTool), ...(rows.length > limit ? { next: page.at(-1)?.name ?? "" } : {}) };
    },
    get: async ({
      caller,
      name,
      version,
    }: {
      readonly caller: Caller;
      readonly name: string;
      readonly version: number | undefined;
    }) => {
      const row = await store.tool(caller.tenantUid, name, version);
      return row && viewTool(row);
    },
    put: async ({
      caller,
      name,
      submission,
    }: {
      readonly caller: Caller;
      readonly name: string;
      readonly submission: ToolSubmission;
    }) => {
      if (!executors().some(({ type }) => type === submission.executor))
        throw new StepgateError("FIELD_INVALID", { field: "/executor", reason: "no such executor" });
      const definition = { ...submission } as ToolSubmission & JsonObject;
      const digest = canonicalDigest({ name, ...definition });
      const newest = await store.tool(caller.tenantUid, name, undefined);
      if (newest?.version === submission.version && newest.digest === digest)
        return { tool: viewTool(newest), isNew: false };
      if (newest !== undefined && submission.version <= newest.version)
        throw new StepgateError("STATE_CONFLICT", { newest: newest.version, given: submission.version });
      await store.insertTool({
        tenantUid: caller.tenantUid,
        actor: `key:${caller.keyId}`,
        tool: { name, version: submission.version, digest, definition },
      });
      const row = await store.tool(caller.tenantUid, name, submission.version);
      if (row?.digest !== digest) throw new StepgateError("STATE_CONFLICT", { given: submission.version });
      return { tool: viewTool(row), isNew: true };
    },
  };
}

function viewTool(row: ToolRow) {
  const definition = row.definition as JsonObject & {
    readonly version: number;
    readonly executor: string;
    readonly config: JsonObject;
    readonly input_schema: JsonObject;
  };
  return { ...definition, name: row.name, digest: row.digest, created_at: new Date(row.createdAtMs).toISOString() };
}

export function makeExecutorSettings({ store, executors, validateSettings }: ToolDeps) {
  const view = async (tenantUid: TenantUid) => {
    const rows = await store.executorSettings(tenantUid);
    return executors().map(({ defaultSettings, settingsSchema, inputsSchema, ...executor }) => {
      const row = rows.find(({ type }) => type === executor.type);
      return {
        ...executor,
        settings: row?.settings ?? defaultSettings,
        settings_version: row?.version ?? 0,
        settings_schema: settingsSchema,
        inputs_schema: inputsSchema,
      };
    });
  };
  const one = async (tenantUid: TenantUid, type: string) =>
    (await view(tenantUid)).find((executor) => executor.type === type);
  return {
    list: async ({ caller }: { readonly caller: Caller }) => ({ items: await view(caller.tenantUid) }),
    get: ({ caller, type }: { readonly caller: Caller; readonly type: string }) => one(caller.tenantUid, type),
    put: async ({
      caller,
      type,
      settings,
    }: {
      readonly caller: Caller;
      readonly type: string;
      readonly settings: JsonObject;
    }) => {
      if (!executors().some((executor) => executor.type === type)) return undefined;
      const [fault] = validateSettings(type, settings);
      if (fault !== undefined) throw new StepgateError("FIELD_INVALID", { field: fault });
      await store.putExecutorSettings({ tenantUid: caller.tenantUid, type, settings, actor: `key:${caller.keyId}` });
      return one(caller.tenantUid, type);
    },
  };
}
