/**
 * `stepgate sink put`: makes a webhook for the events of a tenant's runs, or changes one; a new secret is printed once.
 */
import { findTarget, makeApi } from "../api.ts";
import { sinkState } from "../sink-state.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { SinkView } from "../wire.ts";

interface Options extends TargetOptions {
  readonly event?: readonly string[];
  readonly paused?: boolean;
}

export const addSinkPut: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("put <sink> <address>"))
    .description("send events to a URL, whose host the platform has approved; the signing secret is shown once")
    .option("--event <type...>", "types that are sent, or `all` (default: as it is, all for a new sink)")
    .option("--paused", "send nothing; what happens meanwhile waits")
    .option("--no-paused", "send what waits (default: as it is)")
    .addHelpText(
      "after",
      "\nExample:\n  npx stepgate sink put alerts https://hooks.example/stepgate --event run_failed\n",
    )
    .action(async (name: string, address: string, { event, paused, json, ...target }: Options) => {
      const { terminal } = around;
      const api = makeApi(await findTarget(readConfig(around), target));
      const path = `/v1/sinks/${encodeURIComponent(name)}`;
      const known = await api.find(path, SinkView);
      const events = event === undefined ? known?.events : event.includes("all") ? undefined : event;
      const body = {
        url: address,
        is_paused: paused ?? known?.is_paused ?? false,
        ...(events === undefined ? {} : { events: [...events] }),
      };
      const sink = await api.send("PUT", path, { body, schema: SinkView });
      if (json === true) return terminal.write(`${JSON.stringify(sink)}\n`);
      terminal.line(`sink ${sink.name} · ${sinkState(sink)} · version ${sink.version} · ${sink.url}`);
      // never cut: it is shown this once
      if (sink.secret !== undefined) terminal.write(`${sink.secret}\n`);
    });
};
