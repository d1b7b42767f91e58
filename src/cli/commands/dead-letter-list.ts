/**
 * `stepgate dead-letter list`: steps that ended failed after an attempt, the youngest first.
 */
import { findTarget, makeApi } from "../api.ts";
import { readPages } from "../read-pages.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { alignColumns } from "../terminal.ts";
import { DeadLetterPage, type DeadLetterView } from "../wire.ts";

export const addDeadLetterList: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("list"))
    .description("list steps that ended failed after at least one attempt")
    .addHelpText("after", "\nExample:\n  npx stepgate dead-letter list\n")
    .action(async ({ json, ...target }: TargetOptions) => {
      const { terminal } = around;
      const api = makeApi(await findTarget(readConfig(around), target));
      const letters = await readPages<typeof DeadLetterPage, DeadLetterView>(api, "/v1/dead-letters", DeadLetterPage);
      if (json === true) return terminal.line(JSON.stringify(letters));
      if (letters.length === 0) return terminal.line("no step has failed after an attempt");
      const rows = letters.map((letter) => [
        letter.run_uid,
        letter.step_id,
        letter.type,
        letter.error_kind,
        `${letter.attempt}`,
        `${letter.ended_at.slice(0, 16)}Z`,
        stateOf(letter),
      ]);
      const head = ["RUN", "STEP", "TYPE", "KIND", "ATTEMPTS", "ENDED", ""];
      for (const line of alignColumns([head, ...rows])) terminal.line(line);
    });
};

function stateOf({ redriven_as: redrivenAs, is_compensation: isCompensation }: DeadLetterView): string {
  if (redrivenAs !== undefined) return `redriven as ${redrivenAs}`;
  return isCompensation ? "was to undo another step" : "";
}
