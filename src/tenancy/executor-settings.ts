/**
 * Executor settings of a tenant, as operators set and see them (spec 09).
 *
 * They are checked by the adapter's own schema before they are stored. Not here: HTTP, rows, adapters, tools.
 */
import { StepgateError } from "../core/errors.ts";
import type { TenantUid } from "../core/ids.ts";
import type { IsolationLevel } from "../core/isolation.ts";
import type { JsonObject } from "../core/json.ts";
import type { SecretPlace } from "../core/secret.ts";
import type { EffectClass } from "../core/tool.ts";
import type { TenantStore } from "./ports.ts";

interface Caller {
  readonly keyId: string;
  readonly tenantUid: TenantUid;
}

/** What an adapter says of itself (executors/contract.ts), handed in: siblings do not import each other. */
interface KnownExecutor {
  readonly type: string;
  readonly version: string;
  readonly summary: string;
  readonly effects: EffectClass;
  readonly isolation: IsolationLevel;
  readonly defaultSettings: JsonObject;
  readonly settingsSchema: JsonObject;
  readonly inputsSchema: JsonObject;
  readonly secrets: { readonly as: SecretPlace } | undefined;
}

export interface ExecutorSettingsDeps {
  readonly store: TenantStore;
  readonly executors: () => readonly KnownExecutor[];
  /** Pointers of what is wrong with settings of this type; empty when they fit. */
  readonly validateSettings: (type: string, settings: JsonObject) => readonly string[];
}

export function makeExecutorSettings({ store, executors, validateSettings }: ExecutorSettingsDeps) {
  const view = async (tenantUid: TenantUid) => {
    const rows = await store.executorSettings(tenantUid);
    return executors().map(({ defaultSettings, settingsSchema, inputsSchema, secrets, ...executor }) => {
      const row = rows.find(({ type }) => type === executor.type);
      return {
        ...executor,
        ...(secrets === undefined ? {} : { secrets: secrets.as }),
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
