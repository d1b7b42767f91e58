/**
 * `stepgate run watch`: a run's steps live, as their events come, until its end and seal.
 */
import { findTarget, makeApi } from "../api.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { watchRun } from "../watch-run.ts";

export const addRunWatch: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("watch <run>"))
    .description("follow a run live; exit 1 unless it succeeds")
    .addHelpText("after", "\nExample:\n  npx stepgate run watch <run id>\n")
    .action(async (run: string, options: TargetOptions) => {
      const api = makeApi(await findTarget(readConfig(around), options));
      await watchRun(around, { api, run, json: options.json === true });
    });
};
