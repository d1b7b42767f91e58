/**
 * `stepgate sink list`: where events go, how much waits for each, and how much was not taken.
 */
import { findTarget, makeApi } from "../api.ts";
import { readPages } from "../read-pages.ts";
import { sinkState } from "../sink-state.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { alignColumns } from "../terminal.ts";
import { SinkPage, type SinkView } from "../wire.ts";

export const addSinkList: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("list"))
    .description("list sinks: runs that wait for them, events that they did not take")
    .addHelpText("after", "\nExample:\n  npx stepgate sink list\n")
    .action(async ({ json, ...target }: TargetOptions) => {
      const { terminal } = around;
      const api = makeApi(await findTarget(readConfig(around), target));
      const sinks = await readPages<typeof SinkPage, SinkView>(api, "/v1/sinks", SinkPage);
      if (json === true) return terminal.line(JSON.stringify(sinks));
      if (sinks.length === 0) return terminal.line("no sink is set");
      const rows = sinks.map((sink) => [
        sink.name,
        sinkState(sink),
        `${sink.waiting_runs}`,
        `${sink.dead_letters}`,
        sink.events?.join(",") ?? "all",
        sink.url,
      ]);
      for (const line of alignColumns([["SINK", "STATE", "WAITING", "DEAD", "EVENTS", "URL"], ...rows]))
        terminal.line(line);
    });
};
