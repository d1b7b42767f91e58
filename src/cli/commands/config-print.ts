/**
 * `stepgate config print`: every setting with where it came from, secrets hidden; or everything wrong with them.
 */
import { configInvalid, loadConfig } from "../../config/load-config.ts";
import { renderConfig, renderFaults } from "../../config/render-config.ts";
import { type AddCommand, JSON_OPTION } from "../surroundings.ts";

export const addConfigPrint: AddCommand = (parent, { terminal, environment }) => {
  parent
    .command("print")
    .description("print every setting and where it came from; secrets are hidden")
    .option(...JSON_OPTION)
    .addHelpText("after", "\nExample:\n  STEPGATE_LISTEN=127.0.0.1:9000 npx stepgate config print\n")
    .action(({ json = false }: { readonly json?: boolean }) => {
      const loaded = loadConfig(environment);
      if (!loaded.ok) {
        if (json) terminal.line(JSON.stringify({ faults: loaded.faults }));
        else terminal.note(renderFaults(loaded.faults).trimEnd());
        throw configInvalid(loaded.faults);
      }
      terminal.write(json ? `${JSON.stringify(loaded.sources)}\n` : renderConfig(loaded.sources));
    });
};
