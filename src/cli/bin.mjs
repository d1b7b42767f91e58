#!/usr/bin/env node
/**
 * `stepgate`: re-executes with the project's Node.js where the running one is too old, then hands over to the commands.
 *
 * Plain JavaScript for Node 20. In a checkout it runs the sources, installed as a package what was built of them, since
 * Node.js strips no types there. Not here: commands (cli.ts), installing dependencies (start.mjs).
 */
import module from "node:module";
import { fileURLToPath } from "node:url";
import { COMPILE_CACHE, findNode, isInstalled, isNewEnough, runNode } from "./own-node.mjs";

if (isNewEnough) {
  // a start loads about 1 800 modules
  if (!isInstalled) module.enableCompileCache(COMPILE_CACHE);
  const built = new URL("../../dist/cli/cli.js", import.meta.url).href;
  const { main } = await (isInstalled ? import(built) : import("./cli.ts"));
  process.exitCode = await main(process.argv.slice(2));
} else {
  const node = findNode();
  if (node === undefined) {
    process.stderr.write("error: stepgate needs Node.js 24, and its own is not installed\n  run: npm ci\n");
    process.exitCode = 1;
  } else {
    process.exitCode = await runNode(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)]);
  }
}
