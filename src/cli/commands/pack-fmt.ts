/**
 * `stepgate pack fmt`: writes a pack's files in OPA's canonical form, or names those that are not.
 */
import { formatPack } from "../../policy/pack-tools.ts";
import { reportProblems } from "../pack-report.ts";
import { type AddCommand, EXIT, JSON_OPTION } from "../surroundings.ts";

export const addPackFormat: AddCommand = (parent, { terminal, exitWith }) => {
  parent
    .command("fmt <folder>")
    .description("write the pack's files in canonical form")
    .option("--check", "change nothing; exit 1 when a file is not in canonical form")
    .option(...JSON_OPTION)
    .addHelpText("after", "\nExample:\n  npx stepgate pack fmt --check policies/packs/allow_all\n")
    .action(async (folder: string, options: { readonly check?: boolean; readonly json?: boolean }) => {
      const isCheck = options.check === true;
      const answer = await formatPack(folder, { write: !isCheck });
      if (options.json === true) terminal.line(JSON.stringify(answer.ok ? { ok: true, ...answer.result } : answer));
      else if (!answer.ok) reportProblems(terminal, answer.problems);
      else {
        const { changed } = answer.result;
        for (const path of changed) terminal.line(`${isCheck ? "not formatted" : "formatted"}: ${path}`);
        if (changed.length === 0) terminal.line(`${terminal.symbol("✔", "ok")} ${folder} is in canonical form`);
      }
      exitWith(answer.ok && !(isCheck && answer.result.changed.length > 0) ? EXIT.done : EXIT.failed);
    });
};
