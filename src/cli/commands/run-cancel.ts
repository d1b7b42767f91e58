/**
 * `stepgate run cancel`: no further step starts, running ones are told to stop, compensations run.
 */
import { findTarget, makeApi } from "../api.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { CancelView } from "../wire.ts";

export const addRunCancel: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("cancel <run>"))
    .description("cancel a run")
    .addHelpText("after", "\nExample:\n  npx stepgate run cancel <run id>\n")
    .action(async (run: string, options: TargetOptions) => {
      const { terminal } = around;
      const api = makeApi(await findTarget(readConfig(around), options));
      const view = await api.send("POST", `/v1/runs/${encodeURIComponent(run)}/cancel`, { schema: CancelView });
      if (options.json === true) return terminal.line(JSON.stringify(view));
      terminal.line(
        view.cancelled
          ? `run ${view.run_uid} is being cancelled`
          : `run ${view.run_uid} is ${view.status}; nothing to cancel`,
      );
    });
};
