/**
 * From a folder to a pack that decides.
 *
 * In: the folder of a built pack, the digest it must have, where it may run. Out: a LoadedPack. Packs that came with
 * the product run in the caller's thread; any other runs in a thread of its own that can be stopped.
 * Not here: which tenant uses which pack (storage/, gate/), signatures over the digest (evidence/).
 */
import type { Clock } from "../core/clock.ts";
import { StepgateError } from "../core/errors.ts";
import type { Digest } from "../core/ids.ts";
import { readBuiltPack } from "./built-pack.ts";
import { resolveBuiltins } from "./host-builtin.ts";
import { inspectModule } from "./inspect-module.ts";
import { DEFAULT_PACK_LIMITS, type LoadedPack, type PackLimits } from "./pack.ts";
import { makeTenantInstances } from "./tenant-instances.ts";
import type { LazyToolchain } from "./toolchain.ts";
import { startWorkerPack } from "./worker-pack.ts";

export interface LoadPackInput {
  /** Holds `policy.wasm` and `pack.json`. */
  readonly directory: string;
  /** What was signed and activated; undefined only where the digest found is what gets recorded. */
  readonly expectedDigest: Digest | undefined;
  /** `worker` for every pack that did not come with the product: only a thread can be stopped. */
  readonly placement: "caller" | "worker";
  readonly clock: Clock;
  /** Opened only if the pack needs a builtin that we do not have ourselves. */
  readonly toolchain: LazyToolchain;
  readonly limits?: PackLimits;
}

/**
 * Loads a built pack: reads, hashes, inspects, compiles and starts it once.
 *
 * @throws {StepgateError} PACK_NOT_FOUND, PACK_MANIFEST_INVALID, PACK_DIGEST_MISMATCH, PACK_IMPORT_REFUSED,
 *   TOOLCHAIN_UNAVAILABLE.
 */
export async function loadPack(input: LoadPackInput): Promise<LoadedPack> {
  const { manifest, wasm, digest } = await readBuiltPack(input.directory);
  if (input.expectedDigest !== undefined && digest !== input.expectedDigest) {
    throw new StepgateError("PACK_DIGEST_MISMATCH", { pack: manifest.name, digest, expected: input.expectedDigest });
  }
  const memory = inspectModule(wasm);
  const limits = input.limits ?? DEFAULT_PACK_LIMITS;
  const ref = { id: manifest.name, version: manifest.version, digest };
  if (input.placement === "worker") {
    const { place } = input.toolchain;
    return { ref, manifest, ...(await startWorkerPack({ wasm, memory, manifest, limits, toolchain: place }, input)) };
  }
  const builtin = await resolveBuiltins(manifest.builtins, input.toolchain);
  const module = { module: await compile(wasm), memory };
  return { ref, manifest, ...makeTenantInstances({ module, manifest, builtin, limits, clock: input.clock }) };
}

async function compile(wasm: Uint8Array): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(wasm);
  } catch (cause) {
    throw new StepgateError("PACK_IMPORT_REFUSED", { reason: "not a valid module" }, { cause });
  }
}
