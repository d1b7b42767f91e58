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
  baseline: "addc9072a2693d19f2490cabf5ca35b7d245d4f204b21af00f76c16036865ced",
  budget_caps: "4336a0543dff1a728ccb64acbcdb77ebf4072cf65a71183897e6360b65627159",
  command_output: "9189c8b239754e2089eb042c6093b9442e6a6b7aa4f1a738058e04dd9c528345",
  gdpr: "530182eae4fe0fcacff9341cfda42098a78d257e14cbb7659b9ded8e7b1c62c6",
  hipaa: "9f394a0ec470147b788eed42bb4ef7d1a0c8f88835b5351244502601620da17c",
  owasp_agentic: "c1d7ed4b1ac318ae182234b9630287af0260ec227ee88d81d041521ac011e4d6",
  pii_redaction: "14e1dc41fc5d3409dec547d36cbac450d9495928c3385238d76348add43d470b",
  prompt_injection: "a8f093645741756a8d176e0db72dbc86d2823702d4903c8f76925fee7f70c117",
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
