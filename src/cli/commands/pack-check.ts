/**
 * `stepgate pack check`: compiles a pack's rules and tests strictly, reads its manifest and cases.
 */
import { checkPack } from "../../policy/pack-tools.ts";
import { reportProblems } from "../pack-report.ts";
import { type AddCommand, EXIT, JSON_OPTION } from "../surroundings.ts";

export const addPackCheck: AddCommand = (parent, { terminal, exitWith }) => {
  parent
    .command("check <folder>")
    .description("compile rules and tests strictly; read manifest and cases")
    .option(...JSON_OPTION)
    .addHelpText("after", "\nExample:\n  npx stepgate pack check policies/packs/allow_all\n")
    .action(async (folder: string, { json = false }: { readonly json?: boolean }) => {
      const answer = await checkPack(folder);
      if (json) terminal.line(JSON.stringify(answer.ok ? { ok: true } : answer));
      else if (answer.ok) terminal.line(`${terminal.symbol("✔", "ok")} ${folder} compiles`);
      else reportProblems(terminal, answer.problems);
      exitWith(answer.ok ? EXIT.done : EXIT.failed);
    });
};
