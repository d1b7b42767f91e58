/**
 * What a writer of packs does: check, format, test, build; the same for the command line and for scripts.
 *
 * In: a pack's folder. Out: what was found, as values; only a folder that is no pack throws. The toolchain opens at the
 * first call and serves the following ones. Not here: arguments, colours and exit codes (cli/).
 */
import { randomBytes } from "node:crypto";
import { rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { systemClock } from "../core/clock.ts";
import { compilePack, type PackBuild, writePack } from "./build-pack.ts";
import { readPackCases } from "./pack-cases.ts";
import { readPackSources } from "./pack-sources.ts";
import { type PackTestReport, testSources } from "./test-pack.ts";
import { type Answer, type LazyToolchain, lazyToolchain, type Sources, type Toolchain } from "./toolchain.ts";

let shared: LazyToolchain | undefined;

/** The toolchain of this process, its module cached in the user's own folder under the system's temporary one. */
export function processToolchain(): LazyToolchain {
  shared ??= lazyToolchain({
    clock: systemClock,
    random: (size) => randomBytes(size),
    cacheDirectory: join(tmpdir(), `stepgate-toolchain-${process.getuid?.() ?? "user"}`),
  });
  return shared;
}

/**
 * Compiles rules and tests strictly, and reads manifest and cases.
 *
 * @throws {StepgateError} PACK_NOT_FOUND, PACK_MANIFEST_INVALID, TOOLCHAIN_UNAVAILABLE.
 */
export async function checkPack(directory: string, toolchain = processToolchain()): Promise<Answer<unknown>> {
  const sources = await readPackSources(directory);
  await readPackCases(directory, sources.manifest);
  return (await toolchain.open()).checkPack({ ...sources.rules, ...sources.tests });
}

/**
 * Finds the pack's own files that are not in canonical form, and rewrites them if asked.
 *
 * @throws {StepgateError} PACK_NOT_FOUND, PACK_MANIFEST_INVALID, TOOLCHAIN_UNAVAILABLE.
 */
export async function formatPack(
  directory: string,
  { write }: { readonly write: boolean },
  toolchain = processToolchain(),
): Promise<Answer<{ readonly changed: readonly string[] }>> {
  const { manifest, rules, tests } = await readPackSources(directory);
  const own = Object.entries({ ...rules, ...tests }).filter(([path]) => path.startsWith(`${manifest.name}/`));
  const opened = await toolchain.open();
  const formatted = formatFully(opened, Object.fromEntries(own));
  if (!formatted.ok) return formatted;
  const changed = own.flatMap(([path, text]) => (formatted.result.files[path] === text ? [] : [path]));
  if (changed.length > 0 && opened.checkPack({ ...rules, ...tests }).ok) {
    // what compiled before must compile after
    const compiled = opened.checkPack({ ...rules, ...tests, ...formatted.result.files });
    if (!compiled.ok) return compiled;
  }
  if (write) {
    for (const path of changed) await replaceFile(join(directory, basename(path)), formatted.result.files[path] ?? "");
  }
  return { ok: true, result: { changed } };
}

/** OPA's formatter lays out some `else` branches anew at each pass; none needs more than two. */
const MAX_PASSES = 4;

/** The form that formatting leaves alone; the problems of a pass that does not read what the one before it wrote. */
function formatFully(toolchain: Toolchain, files: Sources): Answer<{ readonly files: Sources }> {
  let formatted = toolchain.formatFiles(files);
  for (let pass = 1; pass < MAX_PASSES && formatted.ok; pass += 1) {
    const last = formatted.result.files;
    formatted = toolchain.formatFiles(last);
    if (formatted.ok && Object.entries(formatted.result.files).every(([path, text]) => text === last[path])) break;
  }
  return formatted;
}

/** Whole or not at all: somebody's rules must not end half-way because a disk is full. */
async function replaceFile(path: string, text: string): Promise<void> {
  const { mode } = await stat(path);
  const unfinished = `${path}.new-${randomBytes(8).toString("hex")}`;
  try {
    await writeFile(unfinished, text, { mode, flag: "wx" });
    await rename(unfinished, path);
  } finally {
    await rm(unfinished, { force: true });
  }
}

/**
 * Runs test rules in the interpreter, and cases in the interpreter and in the built Wasm.
 *
 * @throws {StepgateError} PACK_NOT_FOUND, PACK_MANIFEST_INVALID, PACK_BUILD_FAILED, TOOLCHAIN_UNAVAILABLE.
 */
export async function testPack(directory: string, toolchain = processToolchain()): Promise<Answer<PackTestReport>> {
  const sources = await readPackSources(directory);
  const cases = await readPackCases(directory, sources.manifest);
  return testSources({ sources, cases }, { toolchain, clock: systemClock });
}

/**
 * Builds the pack into `outDirectory`, which then holds `policy.wasm` and `pack.json`.
 *
 * @throws {StepgateError} PACK_NOT_FOUND, PACK_MANIFEST_INVALID, PACK_BUILD_FAILED, TOOLCHAIN_UNAVAILABLE.
 */
export async function buildPack(
  directory: string,
  outDirectory: string,
  toolchain = processToolchain(),
): Promise<Answer<PackBuild>> {
  const built = compilePack(await readPackSources(directory), await toolchain.open());
  if (built.ok) await writePack(built.result, outDirectory);
  return built;
}
