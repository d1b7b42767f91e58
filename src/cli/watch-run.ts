/**
 * Shows a run until it ends: lines for people, or one event per line for programs. Exit 1 unless it succeeds.
 */
import type { Api } from "./api.ts";
import { followRun } from "./follow-run.ts";
import { endLine, showEvent } from "./story-lines.ts";
import { EXIT, type Surroundings } from "./surroundings.ts";

export async function watchRun(
  { terminal, interrupted, exitWith }: Surroundings,
  { api, run, json }: { readonly api: Api; readonly run: string; readonly json: boolean },
): Promise<void> {
  // what every other command asks for; a person who interrupts this one still has it
  if (!json) terminal.line(`run ${run}`);
  const story = await followRun(api, run, {
    signal: interrupted,
    onEvent: (event, told) => {
      if (json) terminal.write(`${JSON.stringify(event)}\n`);
      else showEvent(terminal, event, told);
    },
  });
  if (!json) terminal.line(endLine(story));
  exitWith(story.end === "succeeded" ? EXIT.done : EXIT.failed);
}
