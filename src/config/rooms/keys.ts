/**
 * Settings of keys that come from outside.
 *
 * Everything else about keys is in the database (spec 10). Not here: reading the files (evidence/).
 */
import { path, visibleText } from "../parsers.ts";
import { optionalSetting } from "../setting.ts";

export const keySettings = {
  instanceKeyFile: optionalSetting({
    key: "STEPGATE_INSTANCE_KEY_FILE",
    about:
      "File with the 32 bytes of the instance key; the same for every process. Unset: `keys/instance.key` at home.",
    form: path,
  }),
  adminKey: optionalSetting({
    key: "STEPGATE_ADMIN_KEY",
    about: "The first API key, instead of one that is made at the first start. Never revives a revoked key.",
    form: visibleText(32, 512),
    isSecret: true,
  }),
} as const;
