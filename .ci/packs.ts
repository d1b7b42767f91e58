/**
 * Rebuilds every pack from its sources and compares it with what is checked in: same sources, same bytes, same digest.
 *
 *   node .ci/packs.ts          exit 1 when wasm/<pack> is missing, is nobody's, or has another digest than its sources give,
 *                              or than src/policy/product-packs.ts pins
 *   node .ci/packs.ts --pin    writes the pins from what is checked in
 */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readBuiltPack } from "../src/policy/built-pack.ts";
import { buildPack } from "../src/policy/pack-tools.ts";
import { PRODUCT_PACK_DIGESTS } from "../src/policy/product-packs.ts";

const SOURCES = fileURLToPath(new URL("../policies/packs/", import.meta.url));
const BUILT = fileURLToPath(new URL("../wasm/", import.meta.url));
const PINS = fileURLToPath(new URL("../src/policy/product-packs.ts", import.meta.url));

const names = (await readdir(SOURCES)).sort();
const faults: string[] = [];
if (process.argv[2] === "--pin") {
  const lines: string[] = [];
  for (const name of names) lines.push(`  ${name}: "${(await readBuiltPack(join(BUILT, name))).digest}",`);
  const text = await readFile(PINS, "utf8");
  await writeFile(PINS, text.replace(/(PRODUCT_PACK_DIGESTS[^{]*\{\n)[^}]*/, `$1${lines.join("\n")}\n`));
  console.log(`${names.length} packs are pinned`);
  process.exit(0);
}
for (const name of Object.keys(PRODUCT_PACK_DIGESTS).filter((one) => !names.includes(one)))
  faults.push(`${name} is pinned and has no sources`);
for (const name of (await readdir(BUILT)).filter((one) => one !== "toolchain" && !names.includes(one))) {
  faults.push(`wasm/${name} has no sources`);
}
for (const name of names) {
  const folder = await mkdtemp(join(tmpdir(), "stepgate-pack-"));
  try {
    const answer = await buildPack(join(SOURCES, name), folder);
    const standing = await readBuiltPack(join(BUILT, name));
    if (!answer.ok) faults.push(`${name} does not compile`);
    else if (answer.result.ref.digest !== standing.digest) faults.push(`wasm/${name} is not what its sources give`);
    if (PRODUCT_PACK_DIGESTS[name] !== standing.digest)
      faults.push(`wasm/${name} is not pinned: node .ci/packs.ts --pin`);
  } catch (caught) {
    faults.push(`${name}: ${caught instanceof Error ? caught.message : String(caught)}`);
  } finally {
    await rm(folder, { recursive: true });
  }
}
for (const fault of faults) console.error(`error: ${fault}\n  run: npx stepgate pack build policies/packs/<pack>`);
if (faults.length === 0) console.log(`${names.length} packs are what their sources give`);
process.exitCode = faults.length === 0 ? 0 : 1;
