/**
 * The packs of one process: those that came with the product, each with the digest it must have, and what its operator put
 * beside them.
 *
 * A pack's own manifest names the digest of its module, so whoever can change one can change both: what the product came
 * with is pinned here. `node .ci/packs.ts` holds the pins against the sources and writes them anew with `--pin`.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../core/clock.ts";
import { StepgateError } from "../core/errors.ts";
import { loadPack } from "./load-pack.ts";
import type { LoadedPack } from "./pack.ts";
import { packsByName } from "./packs-by-name.ts";
import type { LazyToolchain } from "./toolchain.ts";

/** These were measured, so they run in the worker's thread. */
export const PRODUCT_PACK_DIGESTS: Readonly<Record<string, string>> = {
  allow_all: "93946f47a2761b1fbf6142d7e315e0088f5610e72f62e80d2ece11867d4036d9",
  baseline: "4f5fadaeedbb9a1ee8d9ae8166e213a0e5f7412cff03e238c7f1f1976f676442",
  budget_caps: "4336a0543dff1a728ccb64acbcdb77ebf4072cf65a71183897e6360b65627159",
  command_output: "3bcc37ef7e1aef6bfc79e421c76c29f8d24d1292c4add38c7b95225dea5467c9",
  gdpr: "5be7d69033b58f1a2629e8bcee41a0d518f461439c773b02cea616ecfd488564",
  hipaa: "a5a2292e6ae391c013bfde753e5c88c8c56aa5b81871aa193c7f79328fb1ed3f",
  owasp_agentic: "040b8c4698d140a9596457e2f85ff60396315df1fa6e831e1407f94b7a427fb6",
  pii_redaction: "8d4c8cf82b9ff036f7bb40b592937ba107a44d65cc0bcd18157dfe5f0976a31e",
  prompt_injection: "c82c1fe7371aade5c396f4837c174e6a129f6d8804034a61beabd0785a235d2a",
  tool_acl: "e3df97a9b2cb11f3b55039e017a432bbc98f4a4b656fda733369ec40a6bca63d",
};

export interface PackFolder {
  readonly path: string;
  /** A folder that nobody named need not be there; then it holds nothing. */
  readonly isOptional: boolean;
}

/**
 * Loads every built pack in the folders, by the name in its manifest.
 *
 * @throws {StepgateError} PACK_NOT_FOUND for a folder that is not there, PACK_DIGEST_MISMATCH for a pack with a product's
 *   name and other bytes, STATE_CONFLICT for two of one name, and what loadPack throws.
 */
export async function loadPackFolders(input: {
  readonly folders: readonly PackFolder[];
  readonly clock: Clock;
  readonly toolchain: LazyToolchain;
}): Promise<ReadonlyMap<string, LoadedPack>> {
  const found = (await Promise.all(input.folders.map(listPacks))).flat();
  const packs = await Promise.all(
    found.map(({ name, directory }) =>
      loadPack({
        directory,
        expectedDigest: undefined,
        // only a thread can be stopped: what somebody else built does not run in ours
        placement: Object.hasOwn(PRODUCT_PACK_DIGESTS, name) ? "caller" : "worker",
        clock: input.clock,
        toolchain: input.toolchain,
      }),
    ),
  );
  for (const [index, pack] of packs.entries()) checkPin(pack, found[index]?.name ?? "");
  return packsByName(packs);
}

async function listPacks({ path, isOptional }: PackFolder) {
  const entries = await readdir(path, { withFileTypes: true }).catch((cause: unknown) => {
    if (isOptional && isSystemError(cause, "ENOENT")) return [];
    throw new StepgateError("PACK_NOT_FOUND", { folder: path }, { cause });
  });
  return entries
    .filter((entry) => entry.isDirectory() && entry.name !== "toolchain")
    .map(({ name }) => ({ name, directory: join(path, name) }));
}

function isSystemError(caught: unknown, code: string): boolean {
  return caught instanceof Error && "code" in caught && caught.code === code;
}

/** Under its folder's name and under its own: neither makes another pack one of the product's. */
function checkPin({ ref }: LoadedPack, folder: string): void {
  for (const name of [folder, ref.id]) {
    const expected = Object.hasOwn(PRODUCT_PACK_DIGESTS, name) ? PRODUCT_PACK_DIGESTS[name] : undefined;
    if (expected !== undefined && ref.digest !== expected)
      throw new StepgateError("PACK_DIGEST_MISMATCH", { pack: name, digest: ref.digest, expected });
  }
}
