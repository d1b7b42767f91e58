/**
 * Reads all settings from an environment, or says everything that is wrong with it at once.
 *
 * In: variables. Out: `Config` and where each value came from, or all faults. Pure; nothing is read at import.
 * Not here: the settings (rooms/), taking secrets out of the process's environment (take-settings.ts).
 */
import { StepgateError } from "../core/errors.ts";
import { type Config, type ConfigRoom, listSettings, type SettingEntry } from "./config.ts";
import { nearestName } from "./nearest-name.ts";
import type { Reading, Setting } from "./setting.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** One thing wrong with the settings, as people need it to put it right. */
export interface ConfigFault {
  readonly key: string;
  /** As given, quoted and cut; hidden for secrets, and for unknown keys, which may be a secret's with a typing error. */
  readonly given: string;
  readonly wanted: string;
  readonly default: string | undefined;
}

/** Where a value came from; its text is hidden if it is a secret. */
export interface SettingSource {
  readonly room: ConfigRoom;
  readonly key: string;
  readonly about: string;
  readonly source: "environment" | "default" | "unset";
  readonly text: string;
}

export type ConfigResult =
  | { readonly ok: true; readonly config: Config; readonly sources: readonly SettingSource[] }
  | { readonly ok: false; readonly faults: readonly ConfigFault[] };

const PREFIX = "STEPGATE_";
const HIDDEN = "(hidden)";
const MAX_SHOWN_LENGTH = 80;

/** Reads every setting; unknown `STEPGATE_` variables and values of the wrong form are faults, all reported together. */
export function loadConfig(environment: Environment): ConfigResult {
  const entries = listSettings();
  const faults: ConfigFault[] = unknownKeys(environment, entries);
  const rooms: Record<string, Record<string, unknown>> = {};
  for (const { room, name, setting } of entries) {
    const text = environment[setting.key];
    const reading: Reading<unknown> = setting.read(text);
    if (reading.ok) rooms[room] = { ...rooms[room], [name]: reading.value };
    else faults.push(faultOf(setting, text));
  }
  if (faults.length > 0) return { ok: false, faults };
  // the loop above walked the very tables that the type is derived from
  return { ok: true, config: rooms as Config, sources: entries.map((entry) => sourceOf(entry, environment)) };
}

/** The faults as an error; who starts the process prints the list itself (spec 10: nothing starts on bad settings). */
export function configInvalid(faults: readonly ConfigFault[]): StepgateError {
  return new StepgateError("CONFIG_INVALID", { count: faults.length, keys: faults.map(({ key }) => key).join(", ") });
}

function unknownKeys(environment: Environment, entries: readonly SettingEntry[]): ConfigFault[] {
  const keys = entries.map(({ setting }) => setting.key);
  const known = new Set<string>(keys);
  return Object.keys(environment)
    .filter((key) => key.startsWith(PREFIX) && !known.has(key) && environment[key] !== undefined)
    .map((key) => {
      const nearest = nearestName(key, keys);
      const wanted = nearest === undefined ? "no setting has this name" : `no setting has this name; is it ${nearest}?`;
      return { key, given: HIDDEN, wanted, default: undefined };
    });
}

function faultOf(
  { key, wanted, default: standard, isSecret }: Setting<unknown>,
  text: string | undefined,
): ConfigFault {
  return { key, given: isSecret ? HIDDEN : quote(text ?? ""), wanted, default: standard };
}

function sourceOf({ room, setting }: SettingEntry, environment: Environment): SettingSource {
  const given = environment[setting.key];
  const shown = given ?? setting.default ?? "";
  return {
    room,
    key: setting.key,
    about: setting.about,
    source: given !== undefined ? "environment" : setting.default !== undefined ? "default" : "unset",
    text: setting.isSecret && given !== undefined ? HIDDEN : shown,
  };
}

/** Quoted, so that control characters reach no terminal. */
function quote(text: string): string {
  return JSON.stringify(text.length > MAX_SHOWN_LENGTH ? `${text.slice(0, MAX_SHOWN_LENGTH)}…` : text);
}
