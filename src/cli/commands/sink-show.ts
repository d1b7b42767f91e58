/**
 * `stepgate sink show`: whether a sink takes events, which runs it has not had whole and why, and the events that it did not take.
 */
import { findTarget, makeApi } from "../api.ts";
import { readPages } from "../read-pages.ts";
import { sinkState } from "../sink-state.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, commandFor, type TargetOptions } from "../target-options.ts";
import { alignColumns } from "../terminal.ts";
import { DeliveryPage, type DeliveryView, SinkDeadLetterPage, type SinkDeadLetterView, SinkView } from "../wire.ts";

export const addSinkShow: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("show <sink>"))
    .description("show what waits for a sink, and what it did not take")
    .addHelpText("after", "\nExample:\n  npx stepgate sink show alerts\n")
    .action(async (name: string, { json, ...target }: TargetOptions) => {
      const { terminal } = around;
      const api = makeApi(await findTarget(readConfig(around), target));
      const path = `/v1/sinks/${encodeURIComponent(name)}`;
      const sink = await api.get(path, SinkView);
      const waiting = await readPages<typeof DeliveryPage, DeliveryView>(api, `${path}/deliveries`, DeliveryPage);
      const dead = await readPages<typeof SinkDeadLetterPage, SinkDeadLetterView>(
        api,
        `${path}/dead-letters`,
        SinkDeadLetterPage,
      );
      if (json === true) return terminal.line(JSON.stringify({ sink, waiting, dead_letters: dead }));
      terminal.line(`sink ${sink.name} · ${sinkState(sink)} · version ${sink.version} · ${sink.url}`);
      if (waiting.length + dead.length === 0) return terminal.line("it has had everything");
      const rows = [
        ...waiting.map((run) => [
          run.run_uid,
          run.done_seq + 1 === run.head_seq ? `${run.head_seq}` : `${run.done_seq + 1}–${run.head_seq}`,
          "waits",
          `${run.attempts}`,
          run.fault ?? "",
          run.attempts === 0 ? "" : `next try ${run.next_try_at}`,
        ]),
        ...dead.map((letter) => [
          letter.run_uid,
          `${letter.seq} ${letter.event}`,
          letter.redrive_at === undefined ? "dead" : "redriven",
          `${letter.attempts}`,
          letter.fault,
          `since ${letter.died_at}`,
        ]),
      ];
      for (const line of alignColumns([["RUN", "EVENTS", "STATE", "FAILED", "FAULT", ""], ...rows]))
        terminal.line(line);
      if (dead.some((letter) => letter.redrive_at === undefined))
        terminal.note(`${commandFor(target)(`sink redrive ${name}`)} sends what is dead again`);
    });
};
