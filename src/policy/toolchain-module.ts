/**
 * The toolchain's module: from the brotli file in the repository to a compiled WebAssembly module.
 *
 * In: toolchain.wasm.br and toolchain.sha256, a cache folder if there is one. Out: the module, its digest checked.
 * A cached file is believed only after its digest was computed again. Not here: talking to the module (toolchain.ts).
 */
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";
import { sha256Hex } from "../core/canonical-json.ts";
import { StepgateError } from "../core/errors.ts";

export interface ToolchainPlace {
  /** Where the decompressed module is kept between starts; undefined = decompress in memory each time. */
  readonly cacheDirectory: string | undefined;
  /** Where toolchain.wasm.br, toolchain.sha256, capabilities.json and regex.wasm are; undefined = wasm/toolchain beside src. */
  readonly directory?: string | undefined;
}

export interface ToolchainModuleDeps extends ToolchainPlace {
  readonly random: (size: number) => Uint8Array;
}

const REGEX_DIGEST = "e61b8cfcf369391200128537a74c4960d22716a61b6ee7e0ce9c20a7a5297407";

const decompress = promisify(brotliDecompress);
/** The module is 41 MB; a compressed file that grows beyond this is not ours. */
const MAX_MODULE_BYTES = 128 * 1024 * 1024;

/**
 * Compiles the toolchain's module, from the cache where its bytes have the right digest.
 *
 * @throws {StepgateError} TOOLCHAIN_UNAVAILABLE when a file is missing, or the bytes do not have the digest.
 */
export async function loadToolchainModule(deps: ToolchainModuleDeps): Promise<WebAssembly.Module> {
  const directory = toolchainDirectory(deps);
  try {
    const digest = (await readFile(join(directory, "toolchain.sha256"), "utf8")).trim();
    const bytes = await moduleBytes({ ...deps, directory, digest });
    return await WebAssembly.compile(bytes);
  } catch (cause) {
    throw new StepgateError("TOOLCHAIN_UNAVAILABLE", {}, { cause });
  }
}

/**
 * Compiles RE2 as packs ask it (regex-instance.ts); its digest is pinned here, since what it answers decides.
 *
 * @throws {StepgateError} TOOLCHAIN_UNAVAILABLE when the file is missing, or is not what `node build.mjs` made.
 */
export async function loadRegexModule(place: ToolchainPlace): Promise<WebAssembly.Module> {
  try {
    const bytes = Uint8Array.from(await readFile(join(toolchainDirectory(place), "regex.wasm")));
    if (sha256Hex(bytes) !== REGEX_DIGEST) throw new StepgateError("TOOLCHAIN_UNAVAILABLE", { reason: "digest" });
    return await WebAssembly.compile(bytes);
  } catch (cause) {
    throw new StepgateError("TOOLCHAIN_UNAVAILABLE", { file: "regex.wasm" }, { cause });
  }
}

/**
 * Names of all builtins a pack may use (capabilities.json), whoever answers them.
 *
 * @throws {StepgateError} TOOLCHAIN_UNAVAILABLE when the file is missing.
 */
export async function readOfferedBuiltins(place: ToolchainPlace): Promise<ReadonlySet<string>> {
  try {
    const text = await readFile(join(toolchainDirectory(place), "capabilities.json"), "utf8");
    const { builtins } = JSON.parse(text) as { readonly builtins: readonly { readonly name: string }[] };
    return new Set(builtins.map(({ name }) => name));
  } catch (cause) {
    throw new StepgateError("TOOLCHAIN_UNAVAILABLE", {}, { cause });
  }
}

function toolchainDirectory({ directory }: ToolchainPlace): string {
  return directory ?? fileURLToPath(new URL("../../wasm/toolchain", import.meta.url));
}

interface ModulePlace extends ToolchainModuleDeps {
  readonly directory: string;
  readonly digest: string;
}

async function moduleBytes(place: ModulePlace): Promise<Buffer<ArrayBuffer>> {
  const cached = await readCached(place);
  if (cached !== undefined) return cached;
  const compressed = await readFile(join(place.directory, "toolchain.wasm.br"));
  const bytes = Buffer.from(await decompress(compressed, { maxOutputLength: MAX_MODULE_BYTES }));
  if (sha256Hex(bytes) !== place.digest) throw new StepgateError("TOOLCHAIN_UNAVAILABLE", { reason: "digest" });
  await writeCached(place, bytes);
  return bytes;
}

async function readCached({ cacheDirectory, digest }: ModulePlace): Promise<Buffer<ArrayBuffer> | undefined> {
  if (cacheDirectory === undefined) return undefined;
  const bytes = await readFile(join(cacheDirectory, cacheName(digest))).catch(() => undefined);
  return bytes !== undefined && sha256Hex(bytes) === digest ? bytes : undefined;
}

/** Keeps the bytes for the next start; a cache that cannot be written only costs the next start its time. */
async function writeCached({ cacheDirectory, digest, random }: ModulePlace, bytes: Uint8Array): Promise<void> {
  if (cacheDirectory === undefined) return;
  const path = join(cacheDirectory, cacheName(digest));
  const unfinished = `${path}.${Buffer.from(random(8)).toString("hex")}`;
  try {
    await mkdir(cacheDirectory, { recursive: true, mode: 0o700 });
    await writeFile(unfinished, bytes, { mode: 0o600, flag: "wx" });
    // rename is atomic: another process reads the whole file or none
    await rename(unfinished, path);
  } catch {
    await rm(unfinished, { force: true }).catch(() => undefined);
  }
}

function cacheName(digest: string): string {
  return `toolchain-${digest}.wasm`;
}
