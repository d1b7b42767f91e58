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
  allow_all: "e35ea9f74504220fd0f487c0df58fe8ebeef63199688be5bce4c2f461535342e",
  baseline: "7e36d2e564d16b682b3f2ee797e9120112d7e76eddbd50115002f47ed4949aa8",
  budget_caps: "d1772a79d1a4dac05d40d29e5fc6362648ee112cb060c0a56b486d8b4b96b206",
  command_output: "70b9e6e6dc63d81f68138afe60723b9a15f6f47d2a7a3744fd5a2c60e0791975",
  gdpr: "6463600afb713d932f2eabb9afc779eb53a6254fb633f7c2bdfb967a57bc6ad4",
  hipaa: "aaf076d68bd3cf3ddb21a520fe9adb4e4f3bb1cb5ad8dc24e51b1025a2282e9b",
  owasp_agentic: "8d040e29b85d6bb5e6e8074fb159c04d0505966fb175a9ded7d51494ba5ef29c",
  pii_redaction: "962d1919c8c6902ff273f63acd5f4478d0ee53ba109fbc033040b3ef2afa498f",
  prompt_injection: "1ae66d961ba4ef2322c4323088f8def559ed95258bc46bf971fa87376d90d81b",
  tool_acl: "fa2e2531cf68566b55712919c497bef224d485fe33d8f9383ee21349180d3672",
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
