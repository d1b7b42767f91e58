/**
 * A built pack as a folder: `policy.wasm` and `pack.json`, nothing else.
 *
 * In: the folder. Out: manifest, bytes and the pack's digest, computed from what was read. What evaluates later is what
 * was hashed here. Not here: compiling and evaluating (load-pack.ts), making such a folder (build-pack.ts).
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { canonicalDigest, sha256Hex } from "../core/canonical-json.ts";
import { StepgateError } from "../core/errors.ts";
import type { Digest } from "../core/ids.ts";
import { type PackManifest, readPackManifest } from "./manifest.ts";

export const WASM_FILE = "policy.wasm";
export const MANIFEST_FILE = "pack.json";

export interface BuiltPack {
  readonly manifest: PackManifest;
  readonly wasm: Uint8Array<ArrayBuffer>;
  readonly digest: Digest;
}

/**
 * Digest of a set of files: SHA-256 over the canonical JSON `{"files":[{"path","sha256","size"}]}`, paths in order.
 *
 * Paths use `/` and are compared by UTF-16 code units, as canonical JSON orders keys (RFC 8785 §3.2.3).
 */
export function listingDigest(files: ReadonlyMap<string, Uint8Array>): Digest {
  const paths = [...files.keys()].sort();
  return canonicalDigest({
    files: paths.map((path) => {
      const bytes = files.get(path) ?? new Uint8Array();
      return { path, sha256: sha256Hex(bytes), size: bytes.length };
    }),
  });
}

/**
 * Reads a built pack and computes its digest.
 *
 * @throws {StepgateError} PACK_NOT_FOUND without the two files, PACK_MANIFEST_INVALID for others beside them or a
 *   manifest of the wrong form, PACK_DIGEST_MISMATCH when the module is not the one the manifest names.
 */
export async function readBuiltPack(directory: string): Promise<BuiltPack> {
  const files = await readFiles(directory);
  const manifestBytes = files.get(MANIFEST_FILE) ?? new Uint8Array();
  const wasm = files.get(WASM_FILE) ?? new Uint8Array();
  const manifest = readPackManifest(manifestBytes);
  if (sha256Hex(wasm) !== manifest.wasm_digest) {
    throw new StepgateError("PACK_DIGEST_MISMATCH", { pack: manifest.name, file: WASM_FILE });
  }
  return { manifest, wasm, digest: listingDigest(files) };
}

async function readFiles(directory: string): Promise<ReadonlyMap<string, Uint8Array<ArrayBuffer>>> {
  try {
    const names = await readdir(directory);
    const extra = names.find((name) => name !== WASM_FILE && name !== MANIFEST_FILE);
    if (extra !== undefined) throw new StepgateError("PACK_MANIFEST_INVALID", { reason: "unknown file", name: extra });
    const contents = [MANIFEST_FILE, WASM_FILE].map(
      async (name) => [name, Uint8Array.from(await readFile(join(directory, name)))] as const,
    );
    return new Map(await Promise.all(contents));
  } catch (caught) {
    if (caught instanceof StepgateError) throw caught;
    throw new StepgateError("PACK_NOT_FOUND", {}, { cause: caught });
  }
}
