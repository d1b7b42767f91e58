/**
 * A pack as people write it: a folder with `manifest.json`, Rego, tests and cases.
 *
 * In: the folder. Out: manifest, rules (its own and those of the packs it requires), tests, cases, and the digest of
 * what a build reads. Names of files are `<pack>/<file>`, the same on every machine. Not here: compiling (pack-tools.ts).
 */
import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { StepgateError } from "../core/errors.ts";
import type { Digest } from "../core/ids.ts";
import { listingDigest } from "./built-pack.ts";
import { readSourceManifest, type SourceManifest } from "./manifest.ts";
import type { Sources } from "./toolchain.ts";

export interface PackSources {
  readonly manifest: SourceManifest;
  /** Rego that a build compiles: the pack's own and what it requires. */
  readonly rules: Sources;
  /** The pack's own `*_test.rego`. */
  readonly tests: Sources;
  /** Of manifest and rules, also those of required packs. */
  readonly digest: Digest;
}

const MANIFEST = "manifest.json";

/**
 * Reads a pack's folder and, beside it, the folders of the packs it requires.
 *
 * @throws {StepgateError} PACK_NOT_FOUND for a missing folder, PACK_MANIFEST_INVALID for a manifest of the wrong form, a
 *   name that is not the folder's, a missing `<name>.rego`, or packs that require each other in a circle.
 */
export async function readPackSources(directory: string): Promise<PackSources> {
  const folder = resolve(directory);
  const files = new Map<string, Uint8Array>();
  const manifest = await readPackFolder(folder, files, []);
  const text = (path: string) => Buffer.from(files.get(path) ?? []).toString("utf8");
  const rego = [...files.keys()].filter((path) => path.endsWith(".rego")).sort();
  const own = (path: string) => path.startsWith(`${manifest.name}/`);
  const tests = rego.filter((path) => isTest(path) && own(path));
  const rules = rego.filter((path) => !isTest(path));
  const built = new Map([...files].filter(([path]) => !isTest(path)));
  return {
    manifest,
    rules: Object.fromEntries(rules.map((path) => [path, text(path)])),
    tests: Object.fromEntries(tests.map((path) => [path, text(path)])),
    digest: listingDigest(built),
  };
}

/** Adds manifest and Rego of one folder to `files`, then those of the packs it requires, each once. */
async function readPackFolder(
  folder: string,
  files: Map<string, Uint8Array>,
  requiredBy: readonly string[],
): Promise<SourceManifest> {
  const name = basename(folder);
  if (requiredBy.includes(name)) throw invalid(name, "packs require each other in a circle");
  const names = await list(folder);
  if (!names.includes(MANIFEST)) throw new StepgateError("PACK_NOT_FOUND", { pack: name });
  const manifestBytes = await readFile(join(folder, MANIFEST));
  const manifest = readSourceManifest(manifestBytes);
  if (manifest.name !== name) throw invalid(name, "the manifest names another pack than the folder");
  if (!names.includes(`${name}.rego`)) throw invalid(name, `no ${name}.rego`);
  files.set(`${name}/${MANIFEST}`, manifestBytes);
  for (const file of names.filter((entry) => entry.endsWith(".rego"))) {
    files.set(`${name}/${file}`, await readFile(join(folder, file)));
  }
  for (const required of manifest.requires ?? []) {
    if (!files.has(`${required}/${MANIFEST}`)) {
      await readPackFolder(join(dirname(folder), required), files, [...requiredBy, name]);
    } else if ([...requiredBy, name].includes(required)) {
      throw invalid(name, "packs require each other in a circle");
    }
  }
  return manifest;
}

async function list(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    throw new StepgateError("PACK_NOT_FOUND", { pack: basename(folder) }, { cause });
  }
}

function isTest(path: string): boolean {
  return path.endsWith("_test.rego");
}

function invalid(pack: string, reason: string): StepgateError {
  return new StepgateError("PACK_MANIFEST_INVALID", { pack, reason });
}
