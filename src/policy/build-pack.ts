/**
 * From sources to a built pack: compile, read back what the module needs, write the two files.
 *
 * In: sources that were read, the toolchain. Out: `policy.wasm` and `pack.json`; the same sources give the same bytes.
 * Not here: reading sources (pack-sources.ts), tests (test-pack.ts).
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sha256Hex } from "../core/canonical-json.ts";
import type { PackRef } from "../core/decision.ts";
import { StepgateError } from "../core/errors.ts";
import { listingDigest, MANIFEST_FILE, WASM_FILE } from "./built-pack.ts";
import { inspectModule } from "./inspect-module.ts";
import type { PackManifest } from "./manifest.ts";
import { instantiateOpa, type OpaModule } from "./opa-instance.ts";
import { DEFAULT_PACK_LIMITS } from "./pack.ts";
import type { PackSources } from "./pack-sources.ts";
import type { Answer, Toolchain } from "./toolchain.ts";

export interface PackBuild {
  readonly ref: PackRef;
  readonly manifest: PackManifest;
  readonly module: OpaModule;
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/**
 * Compiles a pack in memory; faults of its Rego are values.
 *
 * @throws {StepgateError} PACK_BUILD_FAILED when the compiler's module is not one that we would load.
 */
export function compilePack(sources: PackSources, toolchain: Toolchain): Answer<PackBuild> {
  const { requires: _, ...described } = sources.manifest;
  const compiled = toolchain.buildWasm(sources.rules, [described.entrypoint]);
  if (!compiled.ok) return compiled;
  const wasm = compiled.result;
  const { module, builtins } = readModule(wasm, described.entrypoint);
  const manifest: PackManifest = {
    ...described,
    sources_digest: sources.digest,
    wasm_digest: sha256Hex(wasm),
    builtins: [...builtins],
  };
  const files = new Map([
    [MANIFEST_FILE, Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`)],
    [WASM_FILE, wasm],
  ]);
  const ref = { id: manifest.name, version: manifest.version, digest: listingDigest(files) };
  return { ok: true, result: { ref, manifest, module, files } };
}

/** Writes a build into its folder, `policy.wasm` before the `pack.json` that names its digest. */
export async function writePack(build: PackBuild, directory: string): Promise<void> {
  // a pack that is built before the first start makes the home folder, which must be its owner's alone
  await mkdir(directory, { recursive: true, mode: 0o700 });
  for (const name of [WASM_FILE, MANIFEST_FILE]) {
    await writeFile(join(directory, name), build.files.get(name) ?? new Uint8Array());
  }
}

function readModule(wasm: Uint8Array, entrypoint: string): { module: OpaModule; builtins: readonly string[] } {
  try {
    const module = { module: new WebAssembly.Module(wasm), memory: inspectModule(wasm) };
    const { maxMemoryBytes } = DEFAULT_PACK_LIMITS;
    // nothing is evaluated here, so that a builtin without an answer serves to read their names
    const { builtins, entrypoints } = instantiateOpa(module, { builtin: () => () => undefined, maxMemoryBytes });
    if (!entrypoints.has(entrypoint)) throw new StepgateError("PACK_BUILD_FAILED", { reason: "no entrypoint" });
    return { module, builtins };
  } catch (caught) {
    if (caught instanceof StepgateError && caught.code === "PACK_BUILD_FAILED") throw caught;
    throw new StepgateError("PACK_BUILD_FAILED", { reason: "the module does not start" }, { cause: caught });
  }
}
