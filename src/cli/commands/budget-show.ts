/**
 * `stepgate budget show`: the tenant's quotas in their present windows, and the budgets of its open runs.
 */
import { findTarget, makeApi } from "../api.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { alignColumns } from "../terminal.ts";
import { BudgetsView } from "../wire.ts";

export const addBudgetShow: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("show"))
    .description("show quotas and the budgets of open runs: limit, used, reserved, remaining")
    .addHelpText("after", "\nExample:\n  npx stepgate budget show\n")
    .action(async ({ json, ...target }: TargetOptions) => {
      const { terminal } = around;
      const api = makeApi(await findTarget(readConfig(around), target));
      const found: { quotas: BudgetsView["quotas"]; runs: BudgetsView["runs"] } = { quotas: [], runs: [] };
      for (let after: string | undefined = ""; after !== undefined; ) {
        const query: string = after === "" ? "" : `&after=${encodeURIComponent(after)}`;
        const page: BudgetsView = await api.get(`/v1/budgets?limit=200${query}`, BudgetsView);
        found.quotas = page.quotas;
        found.runs.push(...page.runs);
        after = page.next;
      }
      if (json === true) return terminal.line(JSON.stringify(found));
      const rows = [...found.quotas.map(quotaRow), ...found.runs.flatMap(runRows)];
      if (rows.length === 0) return terminal.line("no quota is set, and no open run has a budget");
      for (const line of alignColumns([
        ["OF", "WHAT", "LIMIT", "USED", "RESERVED", "REMAINING", "RESETS", ""],
        ...rows,
      ]))
        terminal.line(line);
    });
};

function quotaRow(quota: BudgetsView["quotas"][number]): readonly string[] {
  const { id, unit, window, limit, used, reserved, remaining, resets_at: resetsAt = "never" } = quota;
  const warned = quota.is_warned ? "warned" : "";
  return [`quota ${id}`, `${unit} a ${window}`, ...[limit, used, reserved, remaining].map(String), resetsAt, warned];
}

function runRows({
  run_uid: run,
  budget,
  is_warned: isWarned,
}: BudgetsView["runs"][number]): readonly (readonly string[])[] {
  return (["tokens", "usd_micros"] as const).flatMap((unit) => {
    const { limit, used, reserved, remaining } = budget[unit];
    if (limit === undefined || remaining === undefined) return [];
    return [[`run ${run}`, unit, ...[limit, used, reserved, remaining].map(String), "never", isWarned ? "warned" : ""]];
  });
}
