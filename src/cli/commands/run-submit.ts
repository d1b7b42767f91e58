/**
 * `stepgate run submit`: submits a plan from a file, and follows it if asked.
 */
import { StepgateError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import { findTarget, makeApi } from "../api.ts";
import { readObjectFile } from "../read-object-file.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, commandFor, type TargetOptions } from "../target-options.ts";
import { watchRun } from "../watch-run.ts";
import { RunView } from "../wire.ts";

export const addRunSubmit: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("submit <file>"))
    .description("submit a plan from a JSON file")
    .option("--watch", "follow it until it ends; exit 1 unless it succeeds")
    .addHelpText("after", "\nExample:\n  npx stepgate run submit policies/examples/hello.json --watch\n")
    .action(async (file: string, options: TargetOptions & { readonly watch?: boolean }) => {
      const { terminal } = around;
      const api = makeApi(await findTarget(readConfig(around), options));
      const run = await api.send("POST", "/v1/runs", { body: await readPlan(file), schema: RunView });
      if (options.watch === true) return watchRun(around, { api, run: run.run_uid, json: options.json === true });
      if (options.json === true) return terminal.line(JSON.stringify(run));
      terminal.line(`run ${run.run_uid} is ${run.status}`);
      terminal.line(terminal.paint("dim", `  follow it: ${commandFor(options)(`run watch ${run.run_uid}`)}`));
    });
};

async function readPlan(file: string): Promise<JsonObject> {
  const plan = await readObjectFile(file);
  if (Object.hasOwn(plan, "sample"))
    throw new StepgateError("USAGE", {
      path: file,
      reason: "a sample needs its own server; `npm start -- --demo-only` runs",
    });
  return plan;
}
