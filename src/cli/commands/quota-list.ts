/**
 * `stepgate quota list`: a tenant's hard limits, and what is used of each in its present window.
 */
import { findTarget, makeApi } from "../api.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { alignColumns } from "../terminal.ts";
import { BudgetsView } from "../wire.ts";

export const addQuotaList: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("list"))
    .description("list a tenant's quotas: limit, used, reserved, remaining, reset")
    .addHelpText("after", "\nExample:\n  npx stepgate quota list --tenant acme\n")
    .action(async ({ json, ...target }: TargetOptions) => {
      const { terminal } = around;
      const api = makeApi(await findTarget(readConfig(around), target));
      const { quotas } = await api.get("/v1/budgets?limit=1", BudgetsView);
      if (json === true) return terminal.line(JSON.stringify(quotas));
      if (quotas.length === 0) return terminal.line("no quota is set");
      const rows = quotas.map((quota) => [
        quota.id,
        quota.unit,
        quota.window,
        ...[quota.limit, quota.used, quota.reserved, quota.remaining].map(String),
        quota.resets_at ?? "never",
        quota.is_warned ? "warned" : "",
      ]);
      const head = ["QUOTA", "UNIT", "WINDOW", "LIMIT", "USED", "RESERVED", "REMAINING", "RESETS", ""];
      for (const line of alignColumns([head, ...rows])) terminal.line(line);
    });
};
