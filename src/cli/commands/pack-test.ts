/**
 * `stepgate pack test`: runs a pack's test rules, and its cases both interpreted and as built Wasm.
 */
import { testPack } from "../../policy/pack-tools.ts";
import { reportProblems, reportTests } from "../pack-report.ts";
import { type AddCommand, EXIT, JSON_OPTION } from "../surroundings.ts";

export const addPackTest: AddCommand = (parent, { terminal, exitWith }) => {
  parent
    .command("test <folder>")
    .description("run tests and cases of a pack, with coverage")
    .option(...JSON_OPTION)
    .addHelpText("after", "\nExample:\n  npx stepgate pack test policies/packs/allow_all\n")
    .action(async (folder: string, { json = false }: { readonly json?: boolean }) => {
      const answer = await testPack(folder);
      if (json) terminal.line(JSON.stringify(answer.ok ? answer.result : answer));
      else if (answer.ok) reportTests(terminal, answer.result);
      else reportProblems(terminal, answer.problems);
      exitWith(answer.ok && answer.result.ok ? EXIT.done : EXIT.failed);
    });
};
