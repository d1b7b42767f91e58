/**
 * Settings of the process as a whole: what it does, where it keeps things.
 *
 * One row a setting; defaults are those of a first start on one machine. Not here: reading them (load-config.ts).
 */
import { oneOf, path } from "../parsers.ts";
import { optionalSetting, setting } from "../setting.ts";

export const PROCESS_ROLES = ["all", "gateway", "worker"] as const;

export const instanceSettings = {
  role: setting({
    key: "STEPGATE_ROLE",
    about: "What this process does: answer the API, perform steps, or both.",
    default: "all",
    form: oneOf(PROCESS_ROLES),
  }),
  home: setting({
    key: "STEPGATE_HOME",
    about: "Folder of keys and of the embedded database.",
    default: "./.stepgate",
    form: path,
  }),
  packs: optionalSetting({
    key: "STEPGATE_PACKS",
    about:
      "Folder of packs you built, each in a folder of its own. Unset: `packs` under STEPGATE_HOME, if it is there.",
    form: path,
  }),
} as const;
