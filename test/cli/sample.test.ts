/**
 * The sample as `npm start` runs it: over HTTP, against what it declares; and that it notices when a rule is gone.
 */
import { randomBytes } from "node:crypto";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { makeApi } from "../../src/cli/api.ts";
import { makeSampleValues } from "../../src/cli/sample/random-values.ts";
import { runSample } from "../../src/cli/sample/run-sample.ts";
import { readSample } from "../../src/cli/sample/sample-file.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import { systemClock } from "../../src/core/clock.ts";
import { startStepgate } from "../../src/main.ts";
import { loadPack } from "../../src/policy/load-pack.ts";
import type { LoadedPack } from "../../src/policy/pack.ts";
import { buildPack, processToolchain } from "../../src/policy/pack-tools.ts";
import { makeLog } from "../../src/telemetry/logger.ts";
import { openTestDatabase } from "../storage/test-database.ts";
import { capture } from "./captured.ts";

const PACKS = fileURLToPath(new URL("../../policies/packs/", import.meta.url));
const SAMPLE = new URL("../../policies/examples/support-triage.json", import.meta.url);

async function demonstrate(t: Test, packs: readonly LoadedPack[] = []) {
  const home = await mkdtemp(join(tmpdir(), "stepgate-sample-"));
  const key = `sample-test-${randomBytes(24).toString("hex")}`;
  const loaded = loadConfig({ STEPGATE_HOME: home, STEPGATE_LISTEN: "127.0.0.1:0", STEPGATE_ADMIN_KEY: key });
  if (!loaded.ok) throw new TypeError(JSON.stringify(loaded.faults));
  const database = await openTestDatabase(t);
  const stepgate = await startStepgate({
    config: loaded.config,
    log: makeLog({ level: "silent" }),
    onProgress: () => undefined,
    parts: { database: database.target, packs: new Map(packs.map((pack) => [pack.ref.id, pack])) },
  });
  t.teardown(async () => {
    await stepgate.stop();
    await rm(home, { recursive: true, force: true });
  });
  const seen = capture();
  const { gateway, rooms } = stepgate;
  const api = makeApi({ baseUrl: gateway?.url ?? "", key, tenant: undefined });
  const result = await runSample(seen.around, { api, home, trustFile: rooms.keyRing.trustFile() });
  return { ...result, out: seen.out() };
}

/** The personal-data pack, and the floor that holds its rules too, as they would be without that for e-mail addresses. */
async function packsWithoutEmailRule(t: Test): Promise<readonly LoadedPack[]> {
  const folder = await mkdtemp(join(tmpdir(), "stepgate-packs-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await cp(PACKS, folder, { recursive: true });
  const file = join(folder, "pii_redaction", "kinds.rego");
  const text = await readFile(file, "utf8");
  const rule = 'detector["email"] := {\n\t"lead": ``,';
  t.ok(text.includes(rule), "the rule was found");
  await writeFile(file, text.replace(rule, rule.replace("``", "`never there`")));
  return Promise.all(["pii_redaction", "baseline"].map((name) => buildAndLoad(t, folder, name)));
}

async function buildAndLoad(t: Test, folder: string, name: string): Promise<LoadedPack> {
  const directory = join(folder, "built", name);
  const answer = await buildPack(join(folder, name), directory);
  t.ok(answer.ok, `${name} compiles without it`);
  const toolchain = processToolchain();
  return loadPack({ directory, expectedDigest: undefined, placement: "caller", clock: systemClock, toolchain });
}

t.test("the sample runs as it declares, and its evidence verifies", async (t) => {
  const { ok, out } = await demonstrate(t);
  t.ok(ok, out);
  for (const text of ["injection.override_instructions", "are left", "compensated", "all signatures good"]) {
    t.match(out, text);
  }
});

t.test("with one rule of personal data taken out the sample differs from what it declares", async (t) => {
  const { ok, out } = await demonstrate(t, await packsWithoutEmailRule(t));
  t.notOk(ok);
  t.match(out, "differs: server_never_sees[0] reached the server");
});

t.test("a sample's values are new for each run and fill every text", async (t) => {
  const [one, other] = [makeSampleValues(), makeSampleValues()];
  for (const name of ["nonce", "email", "card"] as const) t.not(one[name], other[name], name);
  const text = await readFile(SAMPLE);
  const sample = readSample({ text, values: { ...one, server: "127.0.0.1:1" }, hasSandbox: true });
  const sent = JSON.stringify(sample.submission);
  t.notMatch(sent, /\$\{|"expect|"sample"/, "nothing but the submission is sent");
  t.ok(sent.includes(one.card) && sent.includes(one.email));
  t.throws(
    () => readSample({ text, values: one, hasSandbox: true }),
    { code: "FIELD_INVALID" },
    "a value nobody makes",
  );
});

t.test("card numbers pass the checksum of payment cards", async (t) => {
  for (let at = 0; at < 100; at += 1) {
    const digits = [...makeSampleValues().card].reverse().map(Number);
    const sum = digits.reduce((total, digit, place) => {
      const value = place % 2 === 0 ? digit : digit * 2;
      return total + (value > 9 ? value - 9 : value);
    }, 0);
    if (digits.length !== 16 || sum % 10 !== 0) t.fail(digits.reverse().join(""));
  }
});
