import t from "tap";
import { sha256Hex } from "../../src/core/canonical-json.ts";
import { makeReadManifest } from "../../src/runs/manifest.ts";
import { chooseManifest } from "../../src/runs/match-manifest.ts";
import { normalizeSubmission } from "../../src/runs/normalize-submission.ts";
import type { RunSubmission } from "../../src/runs/submission.ts";
import { build, executors, manifestOf } from "./manifest-fixture.ts";
import { step } from "./plan-fixture.ts";
import { refusalOf } from "./refusal.ts";

const readManifest = makeReadManifest();
const registered = manifestOf([step("a")], [], { opId: "nightly" });
const choose = (submission: RunSubmission, stored: string | undefined = registered.text) =>
  chooseManifest(normalizeSubmission(submission), { readManifest, stored, executors, build });

const named = { manifest_id: registered.id };

t.test("a plan alone makes its own manifest", async (t) => {
  t.equal(choose({ steps: [step("a")], op_id: "nightly" }, undefined).id, registered.id);
  t.not(choose({ steps: [step("a")] }, undefined).id, registered.id);
});

t.test("an id alone, or with what agrees with it, starts the registered manifest", async (t) => {
  const agreeing: readonly RunSubmission[] = [
    named,
    { ...named, op_id: "nightly" },
    { ...named, steps: [step("a", { inputs: { x: 1 } })] },
    { ...named, steps: [step("a")], op_id: "nightly", run_config: {} },
  ];
  for (const submission of agreeing) t.equal(choose(submission).text, registered.text);
});

t.test("an upgrade of server or executor breaks no caller that registered before", async (t) => {
  const upgraded = { version: "0.2.0", commit: "1234567" };
  const run = normalizeSubmission({ ...named, steps: [step("a")], op_id: "nightly" });
  const sources = { readManifest, stored: registered.text, executors: new Map([["noop", "9"]]), build: upgraded };
  t.equal(chooseManifest(run, sources).id, registered.id);
});

t.test("M1 each check of the manifest has its code, and the first in the order wins", async (t) => {
  const fraction = step("a", { policy: { packs: [{ name: "p", options: { r: 0.5 } }] } });
  const secret = step("a", { policy: { packs: [{ name: "p", options: { password: "x" } }] } });
  const other = { steps: [step("b")] };
  const serial = { run_config: { execution_mode: "sequential" } } as const;
  const damaged = registered.text.replace("noop", "nooq");
  const refusals: readonly { why: string; run: RunSubmission; stored?: string | undefined; code: string }[] = [
    { why: "mode before fraction", run: { steps: [fraction], kind: "chain" }, code: "UNSUPPORTED_EXECUTION_MODE" },
    { why: "fraction before id", run: { ...named, steps: [fraction] }, code: "MANIFEST_NOT_CANONICAL" },
    { why: "secret before id", run: { ...named, steps: [secret] }, code: "SECRETS_DETECTED" },
    { why: "id before op id", run: { ...named, ...other, op_id: "x" }, code: "MANIFEST_ID_MISMATCH" },
    { why: "op id before config", run: { ...named, op_id: "x", ...serial }, code: "MANIFEST_OP_ID_MISMATCH" },
    { why: "config", run: { ...named, steps: [step("a")], ...serial }, code: "RUN_CONFIG_MISMATCH" },
    { why: "not stored", run: named, stored: undefined, code: "MANIFEST_NOT_FOUND" },
    { why: "damaged", run: named, stored: damaged, code: "MANIFEST_CORRUPT" },
    { why: "unreadable", run: named, stored: "{", code: "MANIFEST_DECODE_FAILED" },
    { why: "id before not stored", run: { ...named, ...other }, stored: undefined, code: "MANIFEST_ID_MISMATCH" },
    { why: "id before damaged", run: { ...named, ...other }, stored: damaged, code: "MANIFEST_ID_MISMATCH" },
  ];
  for (const refusal of refusals) {
    const stored = "stored" in refusal ? refusal.stored : registered.text;
    const sources = { readManifest, stored, executors, build };
    t.equal(
      refusalOf(() => chooseManifest(normalizeSubmission(refusal.run), sources))?.code,
      refusal.code,
      refusal.why,
    );
  }
});

t.test("an operation id in the form of a digest must be the plan's own", async (t) => {
  const plain = choose({ steps: [step("a")] }, undefined);
  t.equal(choose({ steps: [step("a")], op_id: plain.manifest.op_id }, undefined).id, plain.id);
  const refusal = refusalOf(() => choose({ steps: [step("a")], op_id: sha256Hex("another plan") }, undefined));
  t.equal(refusal?.code, "MANIFEST_OP_ID_MISMATCH");
});
