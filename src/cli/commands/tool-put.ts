/**
 * `stepgate tool put`: registers what a file says as the newest version of a tool; the same file again changes nothing.
 */
import { findTarget, makeApi } from "../api.ts";
import { readObjectFile } from "../read-object-file.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { ToolView } from "../wire.ts";

export const addToolPut: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("put <tool> <file>"))
    .description("register a tool, or a new version of it; runs under way keep theirs")
    .addHelpText("after", "\nExample:\n  npx stepgate tool put text.sort policies/examples/sort-tool.json\n")
    .action(async (name: string, file: string, { json, ...target }: TargetOptions) => {
      const api = makeApi(await findTarget(readConfig(around), target));
      const body = await readObjectFile(file);
      const tool = await api.send("PUT", `/v1/tools/${encodeURIComponent(name)}`, { body, schema: ToolView });
      if (json === true) return around.terminal.write(`${JSON.stringify(tool)}\n`);
      around.terminal.line(`tool ${tool.name} · version ${tool.version} · ${tool.executor} · sha-256 ${tool.digest}`);
    });
};
