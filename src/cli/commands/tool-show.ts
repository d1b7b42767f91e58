/**
 * `stepgate tool show`: one version of a tool, what it takes, and which other versions there are.
 */
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import { findTarget, makeApi } from "../api.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { alignColumns } from "../terminal.ts";
import { ToolView } from "../wire.ts";

interface Options extends TargetOptions {
  readonly toolVersion?: string;
}

export const addToolShow: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("show <tool>"))
    .description("show what a tool takes, who performs it, and its versions")
    .option("--tool-version <number>", "an older version instead of the newest")
    .addHelpText("after", "\nExample:\n  npx stepgate tool show text.sort\n")
    .action(async (name: string, { json, toolVersion, ...target }: Options) => {
      const { terminal } = around;
      const api = makeApi(await findTarget(readConfig(around), target));
      const query = toolVersion === undefined ? "" : `?version=${encodeURIComponent(toolVersion)}`;
      const tool = await api.get(`/v1/tools/${encodeURIComponent(name)}${query}`, ToolView);
      if (json === true) return terminal.write(`${JSON.stringify(tool)}\n`);
      terminal.line(terminal.paint("bold", `tool ${tool.name} · version ${tool.version}`));
      const facts = [
        ["  sha-256", tool.digest],
        ["  performed by", tool.executor],
        ["  effects", `${tool.effects}${tool.idempotent ? ", idempotent" : ""}`],
        ["  arguments", argumentsText(tool.input_schema)],
        ["  isolation", tool.min_isolation ?? "as the executor's"],
        ["  hosts", tool.egress?.join(", ") ?? "as the executor's"],
        ["  secrets", tool.secrets?.map(({ name, ref, as }) => `${ref} as ${as} ${name}`).join(", ") ?? "none"],
        ["  defaults", JSON.stringify(tool.defaults)],
        ["  limits", JSON.stringify(tool.limits)],
      ];
      for (const line of alignColumns(facts)) terminal.line(line);
      const versions = (tool.versions ?? []).map((one) => [String(one.version), one.created_at, one.digest]);
      for (const line of alignColumns([["VERSION", "REGISTERED", "SHA-256"], ...versions])) terminal.line(line);
    });
};

/** Names of the arguments; those that may be left out in brackets. */
function argumentsText({ properties, required }: JsonObject): string {
  const names = isJsonObject(properties) ? Object.keys(properties) : [];
  const needed = Array.isArray(required) ? required : [];
  return names.map((name) => (needed.includes(name) ? name : `[${name}]`)).join(" ") || "none named";
}
