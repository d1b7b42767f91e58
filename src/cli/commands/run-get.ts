/**
 * `stepgate run get`: a run with its steps; with `--why`, who decided one step, on what, by which rule.
 */
import { usdText } from "../../core/amount.ts";
import { findTarget, makeApi } from "../api.ts";
import { waitLine } from "../approvals.ts";
import { explainStep } from "../explain-step.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, commandFor, type TargetOptions } from "../target-options.ts";
import { alignColumns, type Terminal } from "../terminal.ts";
import { RunView } from "../wire.ts";

export const addRunGet: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("get <run>"))
    .description("show a run and its steps")
    .option("--why <step>", "explain one step: which rule decided, where, and which record says so")
    .addHelpText("after", "\nExample:\n  npx stepgate run get <run id> --why forward_reply\n")
    .action(async (id: string, options: TargetOptions & { readonly why?: string }) => {
      const api = makeApi(await findTarget(readConfig(around), options));
      const run = await api.get(`/v1/runs/${encodeURIComponent(id)}`, RunView);
      const json = options.json === true;
      if (options.why !== undefined)
        return explainStep(around, { api, run, stepId: options.why, command: commandFor(options), json });
      if (json) around.terminal.line(JSON.stringify(run));
      else showRun(around.terminal, run);
    });
};

function showRun(terminal: Terminal, run: RunView): void {
  terminal.line(
    `run ${run.run_uid}${run.id === undefined ? "" : ` (${run.id})`} · ${run.status} · ${run.submitted_at}`,
  );
  const rows = run.steps.map((step) => [
    `  ${step.id}`,
    step.type,
    step.status,
    `attempt ${step.attempt}`,
    `$${usdText(step.cost.usd_micros)}`,
    [...new Set([step.error_kind ?? "", ...step.reasons])].filter((part) => part !== "").join(", "),
  ]);
  for (const line of alignColumns(rows)) terminal.line(line);
  for (const { id, approval } of run.steps) {
    if (approval === undefined) continue;
    const { approval_id: approvalId, role, expires_at: expiresAt } = approval;
    // never cut: its end is a command to copy
    terminal.write(`  ${id} ${waitLine({ id: approvalId, role, expiresAt })}\n`);
  }
}
