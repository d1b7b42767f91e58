/**
 * Settings as text: what a process runs with, what is wrong with them, and the README's table.
 *
 * In: the loader's result, whose secrets are hidden already. Out: plain lines. Not here: colours (cli/).
 */
import { listSettings } from "./config.ts";
import type { ConfigFault, SettingSource } from "./load-config.ts";

/** One line a setting, `KEY=value` as a shell file has it; what was not given stands as a comment. */
export function renderConfig(sources: readonly SettingSource[]): string {
  const lines = sources.map(({ key, text, source }) =>
    source === "environment" ? `${key}=${text}` : `# ${key}=${text}${source === "default" ? "" : " (unset)"}`,
  );
  return `${lines.join("\n")}\n`;
}

/** Two lines a fault: what is wrong, what to do. */
export function renderFaults(faults: readonly ConfigFault[]): string {
  return faults
    .map(({ key, given, wanted, default: standard }) => {
      const advice = standard === undefined ? "unset it if it is not needed" : `unset it for the default ${standard}`;
      return `${key}=${given}\n  wanted: ${wanted}; ${advice}\n`;
    })
    .join("");
}

export interface SettingRowView {
  readonly room: string;
  readonly key: string;
  readonly default: string;
  readonly wanted: string;
  readonly about: string;
}

/** Rows of the README's table of settings, in its order. */
export function settingRows(): readonly SettingRowView[] {
  return listSettings().map(({ room, setting }) => ({
    room,
    key: setting.key,
    default: setting.default ?? "unset",
    wanted: setting.wanted,
    about: setting.about,
  }));
}
