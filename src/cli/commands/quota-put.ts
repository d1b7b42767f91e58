/**
 * `stepgate quota put`: sets one hard limit of a tenant and leaves the rest of its settings; limit `none` takes it away.
 */
import { StepgateError } from "../../core/errors.ts";
import { findTarget, makeApi } from "../api.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { settingsOf, tenantPath } from "../tenant-settings.ts";
import { TenantSettings, TenantView } from "../wire.ts";

interface Options extends TargetOptions {
  readonly unit?: string;
  readonly window?: string;
}

/** The unit whose only window is `lifetime`. */
const CONCURRENT = "concurrent_steps";

export const addQuotaPut: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("put <quota> <limit>"))
    .description("set one quota of a tenant; limit `none` takes it away (needs the role platform)")
    .option("--unit <unit>", "tokens, usd_micros, runs or concurrent_steps (default: as it is, tokens for a new quota)")
    .option("--window <window>", "minute, day, month or lifetime (default: as it is, day for a new quota)")
    .addHelpText(
      "after",
      "\nExample:\n  npx stepgate quota put runs-a-minute 60 --unit runs --window minute --tenant acme\n",
    )
    .action(async (id: string, given: string, options: Options) => {
      const { json, tenant: ofTenant } = options;
      const api = makeApi(await findTarget(readConfig(around), options));
      const path = tenantPath(ofTenant);
      const known = await api.get(path, TenantSettings);
      const { quotas } = known;
      const others = quotas.filter((quota) => quota.id !== id);
      const limit = readLimit(given);
      const before = quotas.find((quota) => quota.id === id);
      // what is not said stays: another unit or window is another quota, which counts anew
      const unit = options.unit ?? before?.unit ?? "tokens";
      const window = options.window ?? before?.window ?? (unit === CONCURRENT ? "lifetime" : "day");
      const body = {
        ...settingsOf(known),
        quotas: limit === undefined ? others : [...others, { id, unit, window, limit }],
      };
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
