/**
 * `stepgate run list`: the newest runs of the tenant, or those in one state.
 */
import { Option } from "commander";
import { RUN_STATES } from "../../core/state.ts";
import { findTarget, makeApi } from "../api.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, commandFor, type TargetOptions } from "../target-options.ts";
import { alignColumns } from "../terminal.ts";
import { RunPage } from "../wire.ts";

interface Options extends TargetOptions {
  readonly status?: string;
  readonly after?: string;
}

export const addRunList: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("list"))
    .description("list runs, the newest first, 50 at a time")
    .addOption(new Option("--status <state>", "only runs in this state").choices(RUN_STATES))
    .option("--after <place>", "go on where the list before ended")
    .addHelpText("after", "\nExample:\n  npx stepgate run list --status running\n")
    .action(async ({ json, status, after, ...target }: Options) => {
      const { terminal } = around;
      const api = makeApi(await findTarget(readConfig(around), target));
      const query = new URLSearchParams({
        ...(status === undefined ? {} : { status }),
        ...(after === undefined ? {} : { after }),
      });
      const { items, next } = await api.get(`/v1/runs?${query}`, RunPage);
      if (json === true) return terminal.line(JSON.stringify({ items, next }));
      if (items.length === 0) return terminal.line(status === undefined ? "there is no run" : `no run is ${status}`);
      const rows = items.map((run) => [
        run.run_uid,
        run.id ?? run.op_id,
        run.status,
        run.submitted_at,
        run.started_at ?? "",
        run.ended_at ?? "",
      ]);
      for (const line of alignColumns([["RUN", "NAME", "STATUS", "SUBMITTED", "STARTED", "ENDED"], ...rows]))
        terminal.line(line);
      if (next === undefined) return;
      const filter = status === undefined ? "" : ` --status ${status}`;
      terminal.note(`there are more: ${commandFor(target)(`run list${filter} --after ${next}`)}`);
    });
};
