/**
 * `stepgate key create`: makes an API key; its secret is printed once and kept nowhere.
 */
import { findTarget, makeApi } from "../api.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { KeyView } from "../wire.ts";

interface Options extends TargetOptions {
  readonly owner: string;
  readonly role: readonly string[];
  readonly expires?: string;
  readonly instance?: boolean;
}

export const addKeyCreate: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("create"))
    .description("make an API key; its secret is shown once")
    .requiredOption("--owner <name>", "the person or service that holds it")
    .requiredOption(
      "--role <role...>",
      "what it may do: reader, submitter, author, operator, approver, admin, platform",
    )
    .option("--expires <time>", "when it stops working, such as 2030-01-01T00:00:00Z")
    .option("--instance", "a key of the instance, for every tenant (needs the role platform)")
    .addHelpText("after", "\nExample:\n  npx stepgate key create --owner ci --role submitter reader\n")
    .action(async ({ owner, role, expires, instance, json, ...target }: Options) => {
      const { terminal } = around;
      const api = makeApi(await findTarget(readConfig(around), target));
      const body = {
        owner,
        roles: [...role],
        ...(expires === undefined ? {} : { expires_at: expires }),
        ...(instance === true ? { scope: "instance" } : {}),
      };
      const key = await api.send("POST", "/v1/keys", { body, schema: KeyView });
      if (json === true) return terminal.write(`${JSON.stringify(key)}\n`);
      terminal.line(`key ${key.key_id} of ${key.owner}: ${key.roles.join(", ")}`);
      // never cut: it is shown this once
      terminal.write(`${key.secret ?? ""}\n`);
    });
};
