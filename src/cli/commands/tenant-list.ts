/**
 * `stepgate tenant list`: the tenants a key sees, with what decides for them.
 */
import { findTarget, makeApi } from "../api.ts";
import { readPages } from "../read-pages.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { alignColumns } from "../terminal.ts";
import { TenantPage, type TenantView } from "../wire.ts";

export const addTenantList: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("list"))
    .description("list tenants with their packs and quotas")
    .addHelpText("after", "\nExample:\n  npx stepgate tenant list\n")
    .action(async ({ json, ...target }: TargetOptions) => {
      const { terminal } = around;
      const api = makeApi(await findTarget(readConfig(around), target));
      const tenants = await readPages<typeof TenantPage, TenantView>(api, "/v1/tenants", TenantPage);
      if (json === true) return terminal.line(JSON.stringify(tenants));
      const rows = tenants.map((tenant) => [
        tenant.id,
        String(tenant.weight),
        tenant.runtime_pack ?? "none: nothing runs",
        tenant.required_guardrails.join(","),
        tenant.quotas.map(({ limit, unit, window }) => `${limit} ${unit}/${window}`).join(", "),
        tenant.is_paused ? "paused" : "",
      ]);
      const head = ["TENANT", "WEIGHT", "DECIDES", "EVERY STEP PASSES", "QUOTAS", ""];
      for (const line of alignColumns([head, ...rows])) terminal.line(line);
    });
};
