/**
 * `stepgate tool list`: the registered tools, each in its newest version.
 */
import { findTarget, makeApi } from "../api.ts";
import { readPages } from "../read-pages.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { alignColumns } from "../terminal.ts";
import { ToolPage, type ToolView } from "../wire.ts";

export const addToolList: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("list"))
    .description("list registered tools, each in its newest version")
    .addHelpText("after", "\nExample:\n  npx stepgate tool list\n")
    .action(async ({ json, ...target }: TargetOptions) => {
      const { terminal } = around;
      const api = makeApi(await findTarget(readConfig(around), target));
      const tools = await readPages<typeof ToolPage, ToolView>(api, "/v1/tools", ToolPage);
      if (json === true) return terminal.line(JSON.stringify(tools));
      const rows = tools.map(({ name, version, executor, effects, digest }) => [
        name,
        String(version),
        executor,
        effects,
        digest,
      ]);
      for (const line of alignColumns([["TOOL", "VERSION", "EXECUTOR", "EFFECTS", "SHA-256"], ...rows]))
        terminal.line(line);
    });
};
