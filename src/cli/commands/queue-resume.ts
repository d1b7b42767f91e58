/**
 * `stepgate queue resume`: starts steps again that a pause held back.
 */
import { findTarget, makeApi } from "../api.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { QueueView } from "../wire.ts";
import { showQueue } from "./queue-show.ts";

export const addQueueResume: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("resume [type]"))
    .description("start steps of the tenant, or of one step type, again")
    .addHelpText("after", "\nExample:\n  npx stepgate queue resume http\n")
    .action(async (type: string | undefined, { json, ...target }: TargetOptions) => {
      const api = makeApi(await findTarget(readConfig(around), target));
      const queue = await api.send("POST", "/v1/queue/resume", {
        body: type === undefined ? {} : { type },
        schema: QueueView,
      });
      if (json === true) around.terminal.line(JSON.stringify(queue));
      else showQueue(around.terminal, queue);
    });
};
