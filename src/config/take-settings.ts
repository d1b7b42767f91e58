/**
 * Takes the settings out of a process's environment: read once, and secrets are gone afterwards (spec 10, process).
 *
 * In: `process.env`. Out: a frozen copy of our variables for the loader. Not here: reading them (load-config.ts).
 */
import { listSettings } from "./config.ts";
import type { Environment } from "./load-config.ts";

/**
 * Copies all `STEPGATE_` variables and deletes the secret ones from `environment`, so that no child inherits them and
 * no report shows them. An unknown one goes too: it may be a secret's with a typing error.
 */
export function takeSettings(environment: Record<string, string | undefined>): Environment {
  const open = new Set<string>(listSettings().flatMap(({ setting }) => (setting.isSecret ? [] : [setting.key])));
  const taken: Record<string, string | undefined> = {};
  for (const key of Object.keys(environment).filter((one) => one.startsWith("STEPGATE_"))) {
    taken[key] = environment[key];
    if (!open.has(key)) delete environment[key];
  }
  return Object.freeze(taken);
}
