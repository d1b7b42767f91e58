/**
 * The registry: which adapter serves which step type, and what its last self-test proved (spec 09).
 *
 * In: the adapters, once, at start. Out: look-ups, the list behind GET /v1/executors, checks of settings.
 * Not here: the adapters (one folder each), tenants' settings (tenancy/).
 */
import Schema from "typebox/schema";
import { isStepgateError, StepgateError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { AdapterDescription, ExecutorAdapter, IsolationReport, SecretUse } from "./contract.ts";

/** One adapter as the API shows it. */
export interface ListedExecutor extends AdapterDescription {
  readonly defaultSettings: JsonObject;
  readonly settingsSchema: JsonObject;
  readonly inputsSchema: JsonObject;
  readonly secrets: SecretUse | undefined;
  /** Undefined before the first self-test. */
  readonly report: IsolationReport | undefined;
}

export interface Registry {
  readonly get: (type: string) => ExecutorAdapter | undefined;
  /** By type, in alphabetical order. */
  readonly list: () => readonly ListedExecutor[];
  /** JSON pointers of what is wrong with settings of this type; empty when they fit. An unknown type fits nothing. */
  readonly settingsFaults: (type: string, settings: JsonObject) => readonly string[];
  /** Runs every adapter's self-test; one that breaks down has proved nothing and is reported at level `none`. */
  readonly selfTestAll: () => Promise<void>;
}

/**
 * Makes the registry of these adapters.
 *
 * @throws {StepgateError} EXECUTOR_DUPLICATE when two serve one type.
 */
export function makeRegistry(adapters: readonly ExecutorAdapter[]): Registry {
  const byType = new Map<string, ExecutorAdapter>();
  for (const adapter of adapters) {
    if (byType.has(adapter.type)) throw new StepgateError("EXECUTOR_DUPLICATE", { step_type: adapter.type });
    byType.set(adapter.type, adapter);
  }
  const sorted = [...byType.values()].sort((a, b) => (a.type < b.type ? -1 : 1));
  const validators = new Map(sorted.map(({ type, settingsSchema }) => [type, Schema.Compile(settingsSchema)]));
  const reports = new Map<string, IsolationReport>();
  return {
    get: (type) => byType.get(type),
    list: () =>
      sorted.map(({ type, describe, defaultSettings, settingsSchema, inputsSchema, secrets }) => ({
        ...describe(),
        defaultSettings,
        settingsSchema,
        inputsSchema,
        secrets,
        report: reports.get(type),
      })),
    settingsFaults: (type, settings) => {
      const validator = validators.get(type);
      if (validator === undefined) return ["/type"];
      const [, errors] = validator.Errors(settings);
      return validator.Check(settings) ? [] : [...new Set(errors.map(({ instancePath }) => instancePath || "/"))];
    },
    selfTestAll: async () => {
      await Promise.all(sorted.map(async (adapter) => reports.set(adapter.type, await proved(adapter))));
    },
  };
}

async function proved(adapter: ExecutorAdapter): Promise<IsolationReport> {
  try {
    return await adapter.selfTest();
  } catch (caught) {
    const detail = isStepgateError(caught) ? caught.code : "the self-test broke down";
    return { level: "none", checks: [{ name: "self_test_ran", held: false, detail }], advice: undefined };
  }
}
