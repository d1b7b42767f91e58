/**
 * Rebuilds the Rego toolchain from its Go sources, or checks that the committed one comes from them.
 *
 * `node build.mjs`: builds, writes toolchain.wasm.br, toolchain.sha256, capabilities.json and regex.wasm.
 * `node build.mjs --check`: builds, compares the digest and the compressed file's content; exit 1 when they differ.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, brotliDecompressSync, constants } from "node:zlib";

const here = fileURLToPath(new URL(".", import.meta.url));
const flags = ["-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"];

/** Runs go with settings that do not depend on the machine's own, and returns what it printed. */
function go(args, env = {}) {
  const settings = { GOFLAGS: "-mod=readonly", GOTOOLCHAIN: "local", GOWORK: "off", ...env };
  const ran = spawnSync("go", args, {
    cwd: here,
    env: { ...process.env, ...settings },
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 16 << 20,
  });
  if (ran.status !== 0) fail(`go ${args[0]} failed`);
  return ran.stdout;
}

function buildModule() {
  const folder = mkdtempSync(join(tmpdir(), "stepgate-toolchain-"));
  try {
    const target = join(folder, "toolchain.wasm");
    go(["build", ...flags, "-o", target, "."], { GOOS: "wasip1", GOARCH: "wasm" });
    return readFileSync(target);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function compress(bytes) {
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: 11,
    [constants.BROTLI_PARAM_LGWIN]: 24,
    [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
  };
  return brotliCompressSync(bytes, { params });
}

function sha256(bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}

function read(name) {
  return readFileSync(join(here, name));
}

function fail(message) {
  console.error(`error: ${message}`);
  process.exit(1);
}


const bytes = buildModule();
const capabilities = go(["run", ".", "capabilities"]);
const engine = go(["run", ".", "engine"]);
const digest = sha256(bytes);
if (process.argv.includes("--check")) {
  const committed = read("toolchain.sha256").toString("utf8").trim();
  if (digest !== committed) fail(`the sources give ${digest}, committed is ${committed}`);
  if (sha256(brotliDecompressSync(read("toolchain.wasm.br"))) !== committed) fail("toolchain.wasm.br has another digest");
  if (!capabilities.equals(read("capabilities.json"))) fail("capabilities.json is not what these sources say");
  if (!engine.equals(read("regex.wasm"))) fail("regex.wasm is not what these sources say");
  console.log(`toolchain ${digest} comes from these sources`);
} else {
  writeFileSync(join(here, "toolchain.sha256"), `${digest}\n`);
  writeFileSync(join(here, "toolchain.wasm.br"), compress(bytes));
  writeFileSync(join(here, "capabilities.json"), capabilities);
  writeFileSync(join(here, "regex.wasm"), engine);
  console.log(`toolchain ${digest}`);
}
