/**
 * `stepgate queue pause`: starts nothing of the tenant, or of one step type, until it is resumed.
 */
import { findTarget, makeApi } from "../api.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { QueueView } from "../wire.ts";
import { showQueue } from "./queue-show.ts";

export const addQueuePause: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("pause [type]"))
    .description("start nothing of the tenant, or of one step type; what runs goes on")
    .addHelpText("after", "\nExample:\n  npx stepgate queue pause http\n")
    .action(async (type: string | undefined, { json, ...target }: TargetOptions) => {
      const api = makeApi(await findTarget(readConfig(around), target));
      const queue = await api.send("POST", "/v1/queue/pause", {
        body: type === undefined ? {} : { type },
        schema: QueueView,
      });
      if (json === true) around.terminal.line(JSON.stringify(queue));
      else showQueue(around.terminal, queue);
    });
};
