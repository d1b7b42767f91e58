/**
 * The packs that come with the product are those whose digests the product knows, whatever lies in the folder.
 */
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { systemClock } from "../../src/core/clock.ts";
import { loadPackFolders, PRODUCT_PACK_DIGESTS } from "../../src/policy/product-packs.ts";
import { type LazyToolchain, lazyToolchain } from "../../src/policy/toolchain.ts";
import { buildRules, temporaryFolder } from "./make-pack.ts";

const BUILT = fileURLToPath(new URL("../../wasm/", import.meta.url));

async function toolchain(): Promise<LazyToolchain> {
  return lazyToolchain({
    clock: systemClock,
    random: (size) => new Uint8Array(size),
    cacheDirectory: await temporaryFolder(),
  });
}

const load = async (folder: string) =>
  loadPackFolders({ folders: [{ path: folder, isOptional: false }], clock: systemClock, toolchain: await toolchain() });

t.test("every pack that is checked in is pinned, and the folder loads as it is", async (t) => {
  const packs = await load(BUILT);
  t.same(Object.fromEntries([...packs].map(([name, pack]) => [name, pack.ref.digest])), PRODUCT_PACK_DIGESTS);
  for (const pack of packs.values()) pack.close();
});

t.test("a pack of the product with other bytes is refused, also where manifest and module agree", async (t) => {
  const open = await buildRules({ name: "baseline", rules: 'default decision := {"effect": "allow"}' });
  const changes: readonly (readonly [string, (folder: string) => Promise<void>])[] = [
    [
      "another module with its own manifest",
      async (folder) => {
        await rm(join(folder, "baseline"), { recursive: true });
        await cp(open, join(folder, "baseline"), { recursive: true });
      },
    ],
    [
      "another pack of that name in another folder",
      async (folder) => {
        await rm(join(folder, "baseline"), { recursive: true });
        await cp(open, join(folder, "elsewhere"), { recursive: true });
      },
    ],
    [
      "another product pack in its folder",
      async (folder) => {
        await rm(join(folder, "baseline"), { recursive: true });
        await cp(join(BUILT, "allow_all"), join(folder, "baseline"), { recursive: true });
      },
    ],
    [
      "one more character in the manifest",
      async (folder) => {
        const path = join(folder, "baseline", "pack.json");
        await writeFile(path, `${await readFile(path, "utf8")}\n`);
      },
    ],
  ];
  for (const [why, change] of changes) {
    const folder = await temporaryFolder();
    await cp(join(BUILT, "baseline"), join(folder, "baseline"), { recursive: true });
    await change(folder);
    await t.rejects(load(folder), { code: "PACK_DIGEST_MISMATCH", detail: { pack: "baseline" } }, why);
  }
});

t.test("a pack that its operator put beside them needs no pin", async (t) => {
  const folder = await temporaryFolder();
  const own = await buildRules({ name: "own", rules: 'default decision := {"effect": "allow"}' });
  await cp(own, join(folder, "own"), { recursive: true });
  await cp(join(BUILT, "baseline"), join(folder, "baseline"), { recursive: true });
  const packs = await load(folder);
  t.same([...packs.keys()].sort(), ["baseline", "own"]);
  for (const pack of packs.values()) pack.close();
});

t.test("a folder that was named must be there, one that nobody named may be missing", async (t) => {
  const path = "/nowhere/packs";
  const input = { clock: systemClock, toolchain: await toolchain() };
  await t.rejects(loadPackFolders({ ...input, folders: [{ path, isOptional: false }] }), { code: "PACK_NOT_FOUND" });
  t.equal((await loadPackFolders({ ...input, folders: [{ path, isOptional: true }] })).size, 0);
});
