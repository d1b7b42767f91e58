/**
 * The project's own Node.js: the dependency `node`, whatever version launched npm (Node ≥ 20 is enough for that).
 *
 * Plain JavaScript for Node 20. Out: its path, and a way to run a script with it. Not here: installing it (start.mjs).
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's, or the installed package's, folder. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Where Node.js keeps what it compiled: beside the dependencies, so that only who may change those may change this. */
export const COMPILE_CACHE = join(ROOT, "node_modules", ".cache", "stepgate");

const OWN_NODE = join(ROOT, "node_modules", "node", "bin", process.platform === "win32" ? "node.exe" : "node");
const NEEDED_MAJOR = 24;

/**
 * A small young generation: with Node's own, of 16 MB halves, each of its collections stood still for 16 ms on two busy
 * cores, with this one for 3, at the same speed, and an idle process is smaller.
 */
export const NODE_FLAGS = ["--max-semi-space-size=4"];

/** Whether this is the package as somebody installed it, not a checkout. */
export const isInstalled = ROOT.split(sep).includes("node_modules");

/** Whether this process is new enough to run us. */
export const isNewEnough = Number(process.versions.node.split(".")[0]) >= NEEDED_MAJOR;

/** Path of a Node.js that can run us, or undefined when dependencies are not installed. */
export function findNode() {
  if (existsSync(OWN_NODE)) return OWN_NODE;
  return isNewEnough ? process.execPath : undefined;
}

/** Runs a script with the project's Node.js and resolves to its exit code; signals reach it, its end is ours. */
export function runNode(node, args) {
  const path = `${join(ROOT, "node_modules", ".bin")}${delimiter}${process.env.PATH ?? ""}`;
  const child = spawn(node, [...NODE_FLAGS, ...args], { stdio: "inherit", env: { ...process.env, PATH: path } });
  // a terminal's Ctrl-C reaches the whole group already; we only must outlive our child
  process.on("SIGINT", () => undefined);
  for (const name of ["SIGTERM", "SIGHUP"]) process.on(name, () => child.kill(name));
  return new Promise((resolve) => {
    child.once("error", (error) => {
      process.stderr.write(`error: ${node} does not start (${error.code})\n`);
      resolve(1);
    });
    child.once("exit", (code, signal) => resolve(code ?? (signal === "SIGINT" ? 130 : 1)));
  });
}
