/**
 * What is published: JavaScript and declarations of src/ with the files beside them, since Node.js strips no types below
 * node_modules.
 *
 *   node .ci/build.ts [folder]     into dist/, or the folder given
 */
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { cp, mkdir, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const out = resolve(process.argv[2] ?? join(ROOT, "dist"));

await rm(out, { recursive: true, force: true });
const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
const project = join(ROOT, ".ci", "tsconfig.build.json");
const ran = spawnSync(process.execPath, [tsc, "-p", project, "--outDir", out], { stdio: "inherit" });
if (ran.status === 0) await copyBeside();
process.exitCode = ran.status ?? 1;

/** Statements and launchers are read from where the code is. */
async function copyBeside(): Promise<void> {
  for (const path of globSync("**/*.{sql,mjs}", { cwd: join(ROOT, "src") })) {
    await mkdir(dirname(join(out, path)), { recursive: true });
    await cp(join(ROOT, "src", path), join(out, path));
  }
}
