/**
 * `stepgate queue show`: what waits and runs in the tenant, what is paused, and what no worker serves.
 */
import { findTarget, makeApi } from "../api.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { alignColumns, type Terminal } from "../terminal.ts";
import { QueueView } from "../wire.ts";

export const addQueueShow: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("show"))
    .description("count open steps by type and state, and say what is paused")
    .addHelpText("after", "\nExample:\n  npx stepgate queue show\n")
    .action(async ({ json, ...target }: TargetOptions) => {
      const api = makeApi(await findTarget(readConfig(around), target));
      const queue = await api.get("/v1/queue", QueueView);
      if (json === true) around.terminal.line(JSON.stringify(queue));
      else showQueue(around.terminal, queue);
    });
};

export function showQueue(terminal: Terminal, queue: QueueView): void {
  if (queue.is_paused) terminal.line(terminal.paint("yellow", "paused: nothing of this tenant is started"));
  for (const type of queue.paused_types) terminal.line(terminal.paint("yellow", `paused: steps of type ${type}`));
  if (queue.counts.length === 0 && !queue.is_partial) {
    terminal.line("nothing waits and nothing runs");
    return;
  }
  const rows = queue.counts.map(({ type, state, count, oldest_ready_at: oldest = "" }) => [
    type,
    state,
    String(count),
    oldest,
    queue.served_types.includes(type) ? "" : "no worker serves this type",
  ]);
  for (const line of alignColumns([["TYPE", "STATE", "STEPS", "OLDEST READY", ""], ...rows])) terminal.line(line);
  if (queue.is_partial) terminal.line("there may be more: not all were counted, of each line at least so many");
}
