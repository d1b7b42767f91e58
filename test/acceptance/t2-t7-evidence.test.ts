/**
 * The evidence of real runs, verified from files alone (spec 04, T2 and T7): what the gate wrote is what the verifier takes.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import type { RecordId, RunUid } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { verifyBundle, verifyRecordFile } from "../../src/evidence/verify-bundle.ts";
import { makeExportEvidence, makeViewRecord } from "../../src/runs/export-evidence.ts";
import { runCli } from "../cli/run-cli.ts";
import { forEachDatabase, openTestDatabase } from "../storage/test-database.ts";
import { type Decide, done, makeSink, type Rig, startRig } from "./rig.ts";

const OPEN = { runtime_pack: "open", required_guardrails: [] };
/** Denies what asks for it, redacts a card, allows the rest. */
const decide: Decide = ({ inputs }) => {
  const { card, deny } = inputs as JsonObject;
  if (deny === true) return { effect: "deny", reasons: ["asked_for"] };
  return card === undefined || card === "[redacted]"
    ? { effect: "allow" }
    : {
        effect: "redact",
        reasons: ["card"],
        patches: [{ op: "replace", path: "/inputs/card", value: "[redacted]" }],
      };
};

async function evidenceOf({ stepgate: { rooms }, tenantUid }: Rig, runUid: RunUid) {
  const file = await makeExportEvidence({ store: rooms.store, records: rooms.records })(tenantUid, { runUid });
  return file ?? "";
}

t.test("T7 the evidence of a run with every kind of end verifies with the instance's trust file", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink(({ spec }, call) => {
      if (spec.inputs["broken"] !== true) return done({ call });
      return { ok: false, kind: "execution_error", retryable: true, code: "boom", message: "it broke", toolEvents: [] };
    });
    const rig = await startRig(t, { database, packs: { open: decide }, adapters: [sink.adapter], tenant: OPEN });
    const runUid = await rig.submit({
      id: "labelled",
      steps: [
        { id: "allowed", type: "sink", inputs: {} },
        { id: "redacted", type: "sink", inputs: { card: "4111 1111 1111 1111" } },
        { id: "denied", type: "sink", inputs: { deny: true } },
        { id: "skipped", type: "sink", inputs: {} },
        {
          id: "failing",
          type: "sink",
          inputs: { broken: true },
          execution: { max_attempts: 2, retry_backoff_ms: 1 },
        },
      ],
      edges: [["denied", "skipped"]],
    });
    t.equal((await rig.ended(runUid)).status, "failed");
    const file = await evidenceOf(rig, runUid);
    const { keyRing } = rig.stepgate.rooms;
    const context = { trustFile: keyRing.trustFile(), pinnedRoot: undefined, nowMs: Date.now(), onProgress: undefined };
    const report = verifyBundle(file, context);
    t.same(
      report.checks.filter(({ verdict }) => verdict !== "ok"),
      [],
    );
    t.match(report, { status: "ok", summary: { records: 10, seals: 1, artifacts: 5 } });
    t.notMatch(file, "4111 1111");
    t.equal(verifyBundle(file, { ...context, trustFile: undefined }).status, "not_established");
    t.equal(verifyBundle(file.replace("asked_for", "asked_foe"), context).status, "failed");
    t.equal(verifyBundle(file.replace('"labelled"', '"libelled"'), context).status, "failed");

    const { records } = rig.stepgate.rooms;
    for (const row of await rig.rows("select record_id from stepgate.records where run_uid = $1", [runUid])) {
      const view = await makeViewRecord({ records })(rig.tenantUid, row["record_id"] as RecordId);
      const single = verifyRecordFile(JSON.stringify(view), context);
      t.same(
        single.checks.filter(({ verdict }) => verdict !== "ok"),
        [],
        `${view?.kind} alone`,
      );
    }
  });
});

t.test("T7 on the command line: no trust or no seal is exit 2, a changed byte exit 1", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "stepgate-t7-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const sink = makeSink(() => done(null));
  const database = await openTestDatabase(t);
  const rig = await startRig(t, { database, packs: { open: decide }, adapters: [sink.adapter], tenant: OPEN });
  const ended = await rig.submit({ steps: [{ id: "a", type: "sink", inputs: {} }] });
  await rig.ended(ended);
  const write = async (name: string, content: string): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, content);
    return path;
  };
  const whole = await evidenceOf(rig, ended);
  const trust = await write("trust.json", rig.stepgate.rooms.keyRing.trustFile());
  const sealed = await write("sealed", whole);
  const verify = (...args: readonly string[]) => runCli(["verify", ...args]);
  t.match(await verify(sealed, "--trust", trust), { code: 0 }, "the control");
  t.match(await verify(sealed), { code: 2 }, "no trust was given");
  t.match(await verify(await write("unsealed", withoutSeal(whole)), "--trust", trust), { code: 2, out: /no seal/ });
  t.match(await verify(await write("changed", whole.replace('"open"', '"oqen"')), "--trust", trust), { code: 1 });
});

/** The bundle as its run would have it that nobody has sealed. */
function withoutSeal(file: string): string {
  const bundle = JSON.parse(file) as { readonly records: readonly { readonly kind: string }[] };
  return JSON.stringify({ ...bundle, records: bundle.records.filter(({ kind }) => kind !== "seal") });
}
