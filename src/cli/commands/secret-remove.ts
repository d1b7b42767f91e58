/**
 * `stepgate secret remove`: erases a secret; whatever tool asks for it is refused from then on.
 */
import { findTarget, makeApi } from "../api.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { AnyJson, SecretView } from "../wire.ts";

export const addSecretRemove: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("remove <secret>"))
    .description("erase a secret; steps of tools that ask for it are refused")
    .addHelpText("after", "\nExample:\n  npx stepgate secret remove crm.key\n")
    .action(async (name: string, { json, ...target }: TargetOptions) => {
      const { terminal } = around;
      const api = makeApi(await findTarget(readConfig(around), target));
      const path = `/v1/secrets/${encodeURIComponent(name)}`;
      const { tools = [] } = await api.get(path, SecretView);
      await api.send("DELETE", path, { schema: AnyJson });
      if (json === true) return terminal.line(JSON.stringify({ name, tools }));
      terminal.line(`secret ${name} is erased`);
      if (tools.length > 0)
        terminal.line(`steps of these tools are refused until it is put again: ${tools.join(", ")}`);
    });
};
