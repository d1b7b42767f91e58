/**
 * `stepgate quota put`: sets one hard limit of a tenant and leaves the rest of its settings; limit `none` takes it away.
 */
import { StepgateError } from "../../core/errors.ts";
import { findTarget, makeApi } from "../api.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { readSettings, tenantPath } from "../tenant-settings.ts";
import { TenantView } from "../wire.ts";

interface Options extends TargetOptions {
  readonly unit: string;
  readonly window: string;
}

export const addQuotaPut: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("put <quota> <limit>"))
    .description("set one quota of a tenant; limit `none` takes it away (needs the role platform)")
    .option("--unit <unit>", "tokens, usd_micros, runs or concurrent_steps", "tokens")
    .option("--window <window>", "minute, day, month or lifetime", "day")
    .addHelpText(
      "after",
      "\nExample:\n  npx stepgate quota put runs-a-minute 60 --unit runs --window minute --tenant acme\n",
    )
    .action(async (id: string, given: string, { unit, window, json, ...target }: Options) => {
      const api = makeApi(await findTarget(readConfig(around), target));
      const path = tenantPath(target.tenant);
      const { quotas, settings } = await readSettings(api, path);
      const others = quotas.filter((quota) => quota.id !== id);
      const limit = readLimit(given);
      const body = { ...settings, quotas: limit === undefined ? others : [...others, { id, unit, window, limit }] };
      const tenant = await api.send("PUT", path, { body, schema: TenantView });
      around.terminal.line(
        json === true
          ? JSON.stringify(tenant.quotas)
          : `quota ${id} of ${tenant.id}: ${limit === undefined ? "none" : `${limit} ${unit} a ${window}`}`,
      );
    });
};

/** Undefined for `none`. @throws {StepgateError} USAGE for what is no limit. */
function readLimit(text: string): number | undefined {
  if (text === "none") return undefined;
  if (!/^(?:0|[1-9][0-9]{0,14})$/.test(text)) throw new StepgateError("USAGE", { reason: `${text} is no limit` });
  return Number(text);
}
