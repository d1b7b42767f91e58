/**
 * `stepgate secret list`: which secrets are kept, since when, and where each can be handed over.
 */
import { findTarget, makeApi } from "../api.ts";
import { readPages } from "../read-pages.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { alignColumns } from "../terminal.ts";
import { SecretPage, type SecretView } from "../wire.ts";

export const addSecretList: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("list"))
    .description("list secrets by name; a value is never shown")
    .addHelpText("after", "\nExample:\n  npx stepgate secret list\n")
    .action(async ({ json, ...target }: TargetOptions) => {
      const { terminal } = around;
      const api = makeApi(await findTarget(readConfig(around), target));
      const secrets = await readPages<typeof SecretPage, SecretView>(api, "/v1/secrets", SecretPage);
      if (json === true) return terminal.line(JSON.stringify(secrets));
      if (secrets.length === 0) return terminal.line("no secret is kept");
      const rows = secrets.map(({ name, version, fits, updated_at }) => [
        name,
        String(version),
        fits.join(","),
        updated_at,
      ]);
      for (const line of alignColumns([["SECRET", "VERSION", "FITS", "WRITTEN"], ...rows])) terminal.line(line);
    });
};
