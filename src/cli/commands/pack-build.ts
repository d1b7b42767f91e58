/**
 * `stepgate pack build`: compiles a pack to Wasm; the same sources give the same bytes and the same digest.
 */
import { basename, join, resolve } from "node:path";
import { buildPack } from "../../policy/pack-tools.ts";
import { reportProblems } from "../pack-report.ts";
import { type AddCommand, EXIT, JSON_OPTION } from "../surroundings.ts";

export const addPackBuild: AddCommand = (parent, { terminal, exitWith }) => {
  parent
    .command("build <folder>")
    .description("compile a pack to Wasm")
    .option("--out <folder>", "where policy.wasm and pack.json go (default: wasm/<pack>)")
    .option(...JSON_OPTION)
    .addHelpText("after", "\nExample:\n  npx stepgate pack build policies/packs/allow_all --out /tmp/allow_all\n")
    .action(async (folder: string, options: { readonly out?: string; readonly json?: boolean }) => {
      const out = options.out ?? join("wasm", basename(resolve(folder)));
      const answer = await buildPack(folder, out);
      if (!answer.ok && options.json !== true) reportProblems(terminal, answer.problems);
      else if (!answer.ok) terminal.line(JSON.stringify(answer));
      else if (options.json === true) terminal.line(JSON.stringify({ ok: true, out, ...answer.result.ref }));
      else {
        const { id, version, digest } = answer.result.ref;
        terminal.line(`${terminal.symbol("✔", "ok")} ${id} ${version} in ${out}`);
        terminal.line(`  sha256 ${digest}`);
      }
      exitWith(answer.ok ? EXIT.done : EXIT.failed);
    });
};
