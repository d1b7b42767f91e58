#!/usr/bin/env node
/**
 * `stepgate`: re-executes with the project's Node.js where the running one is too old, then hands over to cli.ts.
 *
 * Plain JavaScript for Node 20. Not here: commands (cli.ts), installing dependencies (start.mjs).
 */
import { fileURLToPath } from "node:url";
import { findNode, isNewEnough, runNode } from "./own-node.mjs";

if (isNewEnough) {
  const { main } = await import("./cli.ts");
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
