/**
 * `stepgate secret put`: keeps what stands in standard input as a secret of the tenant; it is never printed again.
 *
 * Never an argument: arguments are seen by everybody on the machine and kept in the shell's history.
 */
import { StepgateError } from "../../core/errors.ts";
import { findTarget, makeApi } from "../api.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { SecretView } from "../wire.ts";

export const addSecretPut: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("put <secret>"))
    .description("keep what is piped in as a secret, or replace its value; one newline at its end is left out")
    .addHelpText("after", "\nExample:\n  npx stepgate secret put crm.key < crm-key.txt\n")
    .action(async (name: string, { json, ...target }: TargetOptions) => {
      const api = makeApi(await findTarget(readConfig(around), target));
      const value = readValue(await around.readInput());
      const secret = await api.send("PUT", `/v1/secrets/${encodeURIComponent(name)}`, {
        body: { value },
        schema: SecretView,
      });
      if (json === true) return around.terminal.line(JSON.stringify(secret));
      around.terminal.line(`secret ${secret.name} · version ${secret.version} · fits ${secret.fits.join(", ")}`);
    });
};

/** @throws {StepgateError} USAGE on a terminal, where it would be shown while it is typed, and for what is no text. */
function readValue(input: Uint8Array | undefined): string {
  if (input === undefined)
    throw new StepgateError("USAGE", { reason: "pipe the value in: … secret put <name> < file" });
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(input).replace(/\r?\n$/, "");
  } catch (cause) {
    throw new StepgateError("USAGE", { reason: "the value is no UTF-8 text" }, { cause });
  }
}
