/**
 * `stepgate pack new`: a folder with a rule, its tests and a case, ready to be changed.
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { StepgateError } from "../../core/errors.ts";
import { packTemplate } from "../pack-template.ts";
import { type AddCommand, JSON_OPTION } from "../surroundings.ts";

/** A package name of Rego and a folder's name at once. */
const PACK_NAME = /^[a-z][a-z0-9_]{0,63}$/;

export const addPackNew: AddCommand = (parent, { terminal }) => {
  parent
    .command("new <folder>")
    .description("make a pack to start from: a rule, its tests, a case")
    .option(...JSON_OPTION)
    .addHelpText("after", "\nExample:\n  npx stepgate pack new /tmp/listed_hosts\n")
    .action(async (given: string, { json = false }: { readonly json?: boolean }) => {
      const folder = resolve(given);
      const name = basename(folder);
      if (!PACK_NAME.test(name))
        throw new StepgateError("USAGE", { name, reason: "the name of a pack is lower case letters, digits and _" });
      // never into a folder that is there: somebody's rules may be in it
      await mkdir(dirname(folder), { recursive: true });
      await mkdir(folder).catch((cause: NodeJS.ErrnoException) => {
        if (cause.code !== "EEXIST") throw cause;
        throw new StepgateError("USAGE", { path: given, reason: "the folder is there already" }, { cause });
      });
      const files = Object.entries(packTemplate(name));
      try {
        for (const [path, text] of files) {
          await mkdir(dirname(join(folder, path)), { recursive: true });
          await writeFile(join(folder, path), text);
        }
      } catch (caught) {
        // half a pack would stand in the way of the next try
        await rm(folder, { recursive: true, force: true });
        throw caught;
      }
      if (json) return terminal.line(JSON.stringify({ folder: given, files: files.map(([path]) => path) }));
      for (const [path] of files) terminal.line(`  ${join(given, path)}`);
      terminal.line(terminal.paint("dim", `try it: npx stepgate pack test ${given}`));
    });
};
