/**
 * All settings, room by room: the one table behind the loader, `stepgate config print` and the README.
 *
 * Out: `CONFIG_ROOMS`, the type `Config`, the table's rows. Not here: reading (load-config.ts), showing (render-config.ts).
 */
import { gateSettings } from "./rooms/gate.ts";
import { gatewaySettings } from "./rooms/gateway.ts";
import { instanceSettings } from "./rooms/instance.ts";
import { keySettings } from "./rooms/keys.ts";
import { runSettings } from "./rooms/runs.ts";
import { schedulerSettings } from "./rooms/scheduler.ts";
import { sinkSettings } from "./rooms/sinks.ts";
import { storageSettings } from "./rooms/storage.ts";
import { telemetrySettings } from "./rooms/telemetry.ts";
import type { Setting, SettingTable, SettingValues } from "./setting.ts";

export const CONFIG_ROOMS = {
  instance: instanceSettings,
  gateway: gatewaySettings,
  storage: storageSettings,
  keys: keySettings,
  scheduler: schedulerSettings,
  gate: gateSettings,
  runs: runSettings,
  sinks: sinkSettings,
  telemetry: telemetrySettings,
} as const satisfies Readonly<Record<string, SettingTable>>;

export type ConfigRoom = keyof typeof CONFIG_ROOMS;

/** Every setting, read and checked, by room and name. */
export type Config = { readonly [Room in ConfigRoom]: SettingValues<(typeof CONFIG_ROOMS)[Room]> };

export interface SettingEntry {
  readonly room: ConfigRoom;
  readonly name: string;
  readonly setting: Setting<unknown>;
}

/** All settings in the order of the rooms, as the README's table shows them. */
export function listSettings(): readonly SettingEntry[] {
  return ROOM_NAMES.flatMap((room) =>
    Object.entries<Setting<unknown>>(CONFIG_ROOMS[room]).map(([name, setting]) => ({ room, name, setting })),
  );
}

const ROOM_NAMES = Object.keys(CONFIG_ROOMS) as readonly ConfigRoom[];
