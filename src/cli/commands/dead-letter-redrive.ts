/**
 * `stepgate dead-letter redrive`: goes on from a failed step in a new run; the ended one stays as it is, sealed.
 */
import { findTarget, makeApi } from "../api.ts";
import { readObjectFile } from "../read-object-file.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { watchRun } from "../watch-run.ts";
import { RunView } from "../wire.ts";

interface Options extends TargetOptions {
  readonly inputs?: string;
  readonly watch?: boolean;
}

export const addDeadLetterRedrive: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("redrive <run> <step>"))
    .description("go on from a failed step in a new run, which runs it and what depended on it")
    .option("--inputs <file>", "a JSON file with inputs in place of the step's own")
    .option("--watch", "follow the new run until it ends; exit 1 unless it succeeds")
    .addHelpText("after", "\nExample:\n  npx stepgate dead-letter redrive <run id> update_crm --watch\n")
    .action(async (id: string, step: string, { json, inputs, watch, ...target }: Options) => {
      const { terminal } = around;
      const api = makeApi(await findTarget(readConfig(around), target));
      const path = `/v1/dead-letters/${encodeURIComponent(id)}/${encodeURIComponent(step)}/redrive`;
      const body = inputs === undefined ? {} : { inputs: await readObjectFile(inputs) };
      const run = await api.send("POST", path, { body, schema: RunView });
      if (watch === true) return watchRun(around, { api, run: run.run_uid, json: json === true });
      terminal.line(json === true ? JSON.stringify(run) : `run ${run.run_uid} · ${run.status}`);
    });
};
