/**
 * Packs for tests: from one Rego text, or from hand-made bytes, to a built folder.
 *
 * Not here: what is tested with them.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { sha256Hex } from "../../src/core/canonical-json.ts";
import type { Clock } from "../../src/core/clock.ts";
import type { TenantUid } from "../../src/core/ids.ts";
import { type LoadPackInput, loadPack } from "../../src/policy/load-pack.ts";
import { DEFAULT_PACK_LIMITS, type LoadedPack, type PackLimits } from "../../src/policy/pack.ts";
import { buildPack, processToolchain } from "../../src/policy/pack-tools.ts";

export const TENANT = "tenant-a" as TenantUid;
export const OTHER_TENANT = "tenant-b" as TenantUid;

/** Stands still unless told to go on, so that no evaluation is late because the machine is busy. */
export const standingClock: Clock = { nowMs: () => 0, monotonicMs: () => 0 };

/** A thread on a busy machine may take long to wake up; tests about deadlines set their own. */
export const PATIENT_LIMITS: PackLimits = { ...DEFAULT_PACK_LIMITS, deadlineMs: 60_000 };

export interface SourcePack {
  readonly name: string;
  /** Rules without the package line. */
  readonly rules: string;
  readonly reasons?: Readonly<Record<string, string>>;
  readonly manifest?: Readonly<Record<string, unknown>>;
  readonly tests?: string;
  readonly cases?: Readonly<Record<string, unknown>>;
}

/** A folder that is gone when the test file ends. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "stepgate-pack-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes a source pack under `root` and returns its folder. */
export async function writeSourcePack(root: string, pack: SourcePack): Promise<string> {
  const folder = join(root, pack.name);
  await mkdir(join(folder, "cases"), { recursive: true });
  const manifest = {
    name: pack.name,
    version: "1.0.0",
    title: pack.name,
    entrypoint: `stepgate/${pack.name}/decision`,
    reasons: pack.reasons ?? {},
    ...pack.manifest,
  };
  await writeFile(join(folder, "manifest.json"), JSON.stringify(manifest));
  await writeFile(join(folder, `${pack.name}.rego`), `package stepgate.${pack.name}\n\n${pack.rules}\n`);
  if (pack.tests !== undefined) {
    await writeFile(join(folder, `${pack.name}_test.rego`), `package stepgate.${pack.name}_test\n\n${pack.tests}\n`);
  }
  for (const [name, one] of Object.entries(pack.cases ?? {})) {
    await writeFile(join(folder, "cases", `${name}.json`), JSON.stringify(one));
  }
  return folder;
}

/** Builds rules into a folder of their own. */
export async function buildRules(pack: SourcePack): Promise<string> {
  const root = await temporaryFolder();
  const built = await buildPack(await writeSourcePack(root, pack), join(root, "built"));
  if (!built.ok) throw new Error(JSON.stringify(built.problems));
  return join(root, "built");
}

/** Writes hand-made bytes as a built pack with a manifest that fits them. */
export async function writeBuiltPack(
  wasm: Uint8Array,
  manifest: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const folder = await temporaryFolder();
  const complete = {
    name: "hostile",
    version: "1.0.0",
    title: "hostile",
    entrypoint: "stepgate/hostile/decision",
    reasons: {},
    sources_digest: "0".repeat(64),
    wasm_digest: sha256Hex(wasm),
    builtins: [],
    ...manifest,
  };
  await writeFile(join(folder, "policy.wasm"), wasm);
  await writeFile(join(folder, "pack.json"), JSON.stringify(complete));
  return folder;
}

/** Loads a built pack in the caller's thread unless told otherwise. */
export async function load(directory: string, over: Partial<LoadPackInput> = {}): Promise<LoadedPack> {
  return loadPack({
    directory,
    expectedDigest: undefined,
    placement: "caller",
    clock: standingClock,
    toolchain: processToolchain(),
    limits: PATIENT_LIMITS,
    ...over,
  });
}

export function bytes(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}
