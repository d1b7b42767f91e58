/**
 * `stepgate sink redrive`: sends the events again that a sink did not take, with the ids that they had.
 */
import { findTarget, makeApi } from "../api.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, commandFor, type TargetOptions } from "../target-options.ts";
import { SinkRedriveView } from "../wire.ts";

interface Options extends TargetOptions {
  readonly run?: string;
}

export const addSinkRedrive: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("redrive <sink>"))
    .description("send dead letters of a sink again, all or those of one run")
    .option("--run <uid>", "of this run alone")
    .addHelpText("after", "\nExample:\n  npx stepgate sink redrive alerts\n")
    .action(async (name: string, { run, json, ...target }: Options) => {
      const { terminal } = around;
      const api = makeApi(await findTarget(readConfig(around), target));
      const body = run === undefined ? {} : { run_uid: run };
      const path = `/v1/sinks/${encodeURIComponent(name)}/redrive`;
      const { redriven } = await api.send("POST", path, { body, schema: SinkRedriveView });
      if (json === true) return terminal.line(JSON.stringify({ redriven }));
      if (redriven === 0) return terminal.line("no dead letter rests");
      terminal.line(`dead letters that are sent again: ${redriven}`);
      terminal.note(`${commandFor(target)(`sink show ${name}`)} shows what is still not taken`);
    });
};
