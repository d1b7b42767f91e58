import t from "tap";
import { canonicalJson, sha256Hex } from "../../src/core/canonical-json.ts";
import type { BatchId } from "../../src/core/ids.ts";
import type { JsonObject, JsonValue } from "../../src/core/json.ts";
import { batchEnvelope, signBatch } from "../../src/evidence/batch.ts";
import { CHECKS, type CheckCode } from "../../src/evidence/checks.ts";
import { buildDecision } from "../../src/evidence/decision-record.ts";
import { viewRecord } from "../../src/evidence/record-file.ts";
import { makeSigner } from "../../src/evidence/signing-key.ts";
import { predicateType, recordIdOf } from "../../src/evidence/statement.ts";
import { type VerifyReport, verifyBundle, verifyRecordFile } from "../../src/evidence/verify-bundle.ts";
import {
  type Bends,
  digest,
  evaluation,
  INSTANCE,
  RUN,
  sampleKeys,
  sampleRun,
  sampleTrust,
  TENANT,
} from "./sample-run.ts";
import { NOW_MS } from "./seeded.ts";

const KEYS = sampleKeys("instance");
const TRUST = sampleTrust(KEYS);

/** A bundle as a forger edits it: the file's JSON, writable. */
interface Editable {
  artifacts: { id: string; media_type: string; metadata: Record<string, JsonValue>; payload: string }[];
  batches: {
    batch: string;
    envelope: { payload: string; payloadType: string; signatures: { keyid?: string; sig: string }[] };
  }[];
  events: { seq: number; type: string; step?: string; run_uid: string; data: Record<string, JsonValue> }[];
  manifest: string;
  records: { batch: string; index: number; kind: string; path: string[]; statement: string }[];
  run: { id?: string; status: string; run_uid: string; tenant: string };
}

function verify(file: string, trustFile: string | undefined = TRUST): VerifyReport {
  return verifyBundle(file, { trustFile, pinnedRoot: KEYS.root.publicJwk.kid, nowMs: NOW_MS, onProgress: undefined });
}

function edited(edit: (bundle: Editable) => void, file = sampleRun().file): string {
  const bundle: Editable = JSON.parse(file);
  edit(bundle);
  return JSON.stringify(bundle);
}

function faults(report: VerifyReport): readonly CheckCode[] {
  return [...new Set(report.checks.filter(({ verdict }) => verdict !== "ok").map(({ code }) => code))];
}

function first<T>(list: readonly T[], wanted: (item: T) => boolean = () => true): T {
  const found = list.find(wanted);
  if (found === undefined) throw new Error("the sample has no such thing");
  return found;
}

const record = (bundle: Editable, kind: string) => first(bundle.records, (entry) => entry.kind === kind);
const event = (bundle: Editable, type: string) => first(bundle.events, (entry) => entry.type === type);
const flip = (text: string) => `${text.startsWith("A") ? "B" : "A"}${text.slice(1)}`;

t.test("T7 an untouched run verifies offline from two files, every check passed", async (t) => {
  const progress: number[] = [];
  const report = verifyBundle(sampleRun().file, {
    trustFile: TRUST,
    pinnedRoot: KEYS.root.publicJwk.kid,
    nowMs: NOW_MS,
    onProgress: (done, total) => progress.push(done / total),
  });
  t.same(faults(report), []);
  t.equal(report.status, "ok");
  t.match(report.summary, {
    records: 13,
    batches: 10,
    seals: 1,
    artifacts: 2,
    events: 16,
    unsealedEvents: 1,
    root: KEYS.root.publicJwk.kid,
  });
  t.equal(progress.at(-1), 1);
  const untried = Object.keys(CHECKS).filter((code) => !report.checks.some((check) => check.code === code));
  t.same(untried, ["record_named", "seal_artifact"], "one is for single records, one for bills of materials");
});

t.test("T2 a tampered payload, manifest, signature or key id fails with its exact reason", async (t) => {
  const cases: readonly { why: string; code: CheckCode; edit: (bundle: Editable) => void }[] = [
    {
      why: "payload of a decision artifact",
      code: "artifact_payload",
      edit: (bundle) => {
        const artifact = first(bundle.artifacts);
        artifact.payload = artifact.payload.replace("allow", "deny");
      },
    },
    {
      why: "payload and id of a decision artifact",
      code: "artifact_metadata",
      edit: (bundle) => {
        const artifact = first(bundle.artifacts);
        artifact.payload = artifact.payload.replace("allow", "deny");
        artifact.id = sha256Hex(artifact.payload);
      },
    },
    {
      why: "manifest of a decision artifact",
      code: "artifact_metadata",
      edit: (bundle) => {
        const { metadata } = first(bundle.artifacts);
        metadata["c2pa_manifest"] = { ...(metadata["c2pa_manifest"] as object), profile: "full" };
      },
    },
    {
      why: "summary in a decision artifact's metadata",
      code: "artifact_metadata",
      edit: (bundle) => {
        first(bundle.artifacts, ({ metadata }) => metadata["denied"] === true).metadata["denied"] = false;
      },
    },
    {
      why: "signature of a decision artifact",
      code: "artifact_signature",
      edit: (bundle) => {
        const { metadata } = first(bundle.artifacts);
        const signature = metadata["signature"] as { value: string };
        metadata["signature"] = { ...signature, value: flip(signature.value) };
      },
    },
    {
      why: "key id of a decision artifact, to the decision key's",
      code: "artifact_keyid",
      edit: (bundle) => {
        const { metadata } = first(bundle.artifacts);
        metadata["signature"] = { ...(metadata["signature"] as object), key_id: KEYS.decision.publicJwk.kid };
      },
    },
    {
      why: "statement of a record",
      code: "record_inclusion",
      edit: (bundle) => {
        const refusal = record(bundle, "refusal");
        refusal.statement = refusal.statement.replace("policy_denied", "policy_error");
      },
    },
    {
      why: "signature of a batch",
      code: "batch_signature",
      edit: (bundle) => {
        const signature = first(first(bundle.batches).envelope.signatures);
        signature.sig = flip(signature.sig);
      },
    },
    {
      why: "statement of a batch",
      code: "batch_signature",
      edit: (bundle) => {
        const { envelope } = first(bundle.batches);
        const text = Buffer.from(envelope.payload, "base64").toString().replace('"size":1', '"size":2');
        envelope.payload = Buffer.from(text).toString("base64");
      },
    },
    {
      why: "swapped keyid of a batch",
      code: "batch_keyid",
      edit: (bundle) => {
        first(first(bundle.batches).envelope.signatures).keyid = KEYS.artifact.publicJwk.kid;
      },
    },
    {
      why: "unknown keyid of a batch",
      code: "batch_keyid",
      edit: (bundle) => {
        first(first(bundle.batches).envelope.signatures).keyid = sampleKeys("stranger").decision.publicJwk.kid;
      },
    },
  ];
  for (const { why, code, edit } of cases) {
    const report = verify(edited(edit));
    t.equal(report.status, "failed", why);
    t.ok(faults(report).includes(code), `${why}: ${faults(report).join(" ")}`);
  }
});

t.test("T7 whoever has the bundle but not the keys cannot change what it says", async (t) => {
  const cases: readonly { why: string; codes: readonly CheckCode[]; edit: (bundle: Editable) => void }[] = [
    {
      why: "a tail cut off the log",
      codes: ["seal_events", "seal_status", "seal_counts", "seal_head"],
      edit: (bundle) => {
        bundle.events.splice(bundle.events.findIndex(({ type }) => type === "step_held"));
        const kept = JSON.stringify(bundle.events);
        const isNamed = ({ statement }: { statement: string }) => kept.includes(recordIdOf(statement));
        bundle.records = bundle.records.filter((entry) => entry.kind === "seal" || isNamed(entry));
      },
    },
    {
      why: "a denied step dropped, the log renumbered",
      codes: ["seal_counts", "seal_events", "seal_head"],
      edit: (bundle) => {
        bundle.events = bundle.events.filter(({ type }) => type !== "step_refused");
        for (const [index, entry] of bundle.events.entries()) entry.seq = index + 1;
        bundle.records = bundle.records.filter(({ statement }) => !statement.includes("policy_denied"));
        bundle.artifacts = bundle.artifacts.filter(({ metadata }) => metadata["denied"] === false);
      },
    },
    {
      why: "an event left out",
      codes: ["event_order"],
      edit: (bundle) => {
        bundle.events.splice(3, 1);
      },
    },
    {
      why: "an event of another run put in",
      codes: ["event_order"],
      edit: (bundle) => {
        first(bundle.events).run_uid = TENANT;
      },
    },
    {
      why: "a second beginning",
      codes: ["event_order"],
      edit: (bundle) => {
        event(bundle, "run_started").type = "run_submitted";
      },
    },
    {
      why: "a step that goes on after the end",
      codes: ["event_order"],
      edit: (bundle) => {
        event(bundle, "budget_warning").type = "step_skipped";
      },
    },
    {
      why: "two batches under each other's id",
      codes: ["batch_statement"],
      edit: (bundle) => {
        const [one, two] = [first(bundle.batches), first(bundle.batches.slice(1))];
        [one.batch, two.batch] = [two.batch, one.batch];
      },
    },
    {
      why: "an event that shows a refusal as a hold",
      codes: ["event_record"],
      edit: (bundle) => {
        const { data } = event(bundle, "step_refused");
        Object.assign(data, { hold_record: data["refusal_record"] });
      },
    },
    {
      why: "a start that does not say which attempt",
      codes: ["event_record"],
      edit: (bundle) => {
        const { data } = event(bundle, "step_started");
        event(bundle, "step_started").data = { admission_record: data["admission_record"] ?? "" };
      },
    },
    {
      why: "an event's data changed",
      codes: ["seal_head"],
      edit: (bundle) => {
        event(bundle, "step_succeeded").data["note"] = "changed";
      },
    },
    {
      why: "an event whose record is not here",
      codes: ["event_record", "seal_counts"],
      edit: (bundle) => {
        bundle.records = bundle.records.filter(({ kind }) => kind !== "hold");
      },
    },
    {
      why: "an event that names no record",
      codes: ["event_record"],
      edit: (bundle) => {
        event(bundle, "step_started").data = { attempt: 1 };
      },
    },
    {
      why: "an event that names the record of another step",
      codes: ["event_record", "record_event"],
      edit: (bundle) => {
        event(bundle, "step_held").step = "fetch";
      },
    },
    {
      why: "an event that names another attempt",
      codes: ["event_record"],
      edit: (bundle) => {
        event(bundle, "step_started").data["attempt"] = 2;
      },
    },
    {
      why: "a record listed twice",
      codes: ["record_unique"],
      edit: (bundle) => {
        bundle.records.push(record(bundle, "hold"));
      },
    },
    {
      why: "a record shown as another kind",
      codes: ["record_kind"],
      edit: (bundle) => {
        record(bundle, "refusal").kind = "admission";
      },
    },
    {
      why: "a record's text rewritten with spaces",
      codes: ["record_form", "record_inclusion"],
      edit: (bundle) => {
        const hold = record(bundle, "hold");
        hold.statement = hold.statement.replace(",", ", ");
      },
    },
    {
      why: "a record moved to another leaf",
      codes: ["record_inclusion"],
      edit: (bundle) => {
        record(bundle, "refusal").index += 1;
      },
    },
    {
      why: "another manifest",
      codes: ["seal_manifest"],
      edit: (bundle) => {
        bundle.manifest = bundle.manifest.replace("dag", "chain");
      },
    },
    {
      why: "another end of the run",
      codes: ["seal_status"],
      edit: (bundle) => {
        bundle.run.status = "succeeded";
      },
    },
    {
      why: "another label of the run",
      codes: ["seal_run"],
      edit: (bundle) => {
        bundle.run.id = "better";
      },
    },
    {
      why: "a decision artifact of another media type",
      codes: ["artifact_metadata"],
      edit: (bundle) => {
        first(bundle.artifacts).media_type = "text/html";
      },
    },
    {
      why: "a decision artifact left out",
      codes: ["artifact_record"],
      edit: (bundle) => {
        bundle.artifacts.pop();
      },
    },
    {
      why: "a field nobody knows",
      codes: ["form"],
      edit: (bundle) => {
        Object.assign(bundle, { keys: [] });
      },
    },
  ];
  for (const { why, codes, edit } of cases) {
    const report = verify(edited(edit));
    t.equal(report.status, "failed", why);
    for (const code of codes) t.ok(faults(report).includes(code), `${why}: ${code} among ${faults(report).join(" ")}`);
  }
});

t.test("T7 keys inside or beside the bundle prove nothing", async (t) => {
  const stranger = sampleKeys("stranger");
  t.same(faults(verify(sampleRun({}, stranger).file)), ["batch_key", "artifact_key"], "re-signed with its own keys");
  const retired = verify(sampleRun().file, sampleTrust(KEYS, { decision: "removed" }));
  t.same([retired.status, faults(retired)], ["failed", ["batch_key"]], "a retired key");
  t.equal(first(retired.checks, ({ code }) => code === "batch_key").detail["reason"], "retired");
  t.same(faults(verify(sampleRun({ tokenKeySigns: true }).file)), ["batch_key"], "a key of another purpose");
  t.same(faults(verify(sampleRun({ otherInstance: true }).file)), [
    "batch_statement",
    "record_inclusion",
    "artifact_signature",
  ]);
  t.equal(verify(sampleRun().file, sampleTrust(KEYS, { decision: "verify_only" })).status, "ok", "the control");
});

t.test("T7 without trust, without a seal, or with an expired trust bundle nothing is established", async (t) => {
  const { file } = sampleRun();
  const context = { trustFile: TRUST, pinnedRoot: undefined, nowMs: NOW_MS, onProgress: undefined };
  const cases: readonly { why: string; report: VerifyReport; code: CheckCode; reason: string }[] = [
    {
      why: "no trust",
      report: verifyBundle(file, { ...context, trustFile: undefined }),
      code: "trust",
      reason: "no trust given",
    },
    {
      why: "expired",
      report: verifyBundle(file, { ...context, nowMs: NOW_MS + 1000 }),
      code: "trust",
      reason: "expired",
    },
    {
      why: "not yet issued",
      report: verifyBundle(file, { ...context, nowMs: 0 }),
      code: "trust",
      reason: "not_yet_valid",
    },
    {
      why: "another root",
      report: verifyBundle(file, { ...context, pinnedRoot: "other" }),
      code: "trust",
      reason: "pin",
    },
    {
      why: "no trust file",
      report: verifyBundle(file, { ...context, trustFile: "{}" }),
      code: "trust",
      reason: "malformed",
    },
    { why: "no seal", report: verify(sampleRun({ noSeal: true }).file), code: "seal", reason: "no seal" },
  ];
  for (const { why, report, code, reason } of cases) {
    t.equal(report.status, "not_established", why);
    t.match(
      report.checks.filter(({ verdict }) => verdict === "not_established"),
      [{ code, detail: { reason } }],
      why,
    );
  }
  const cut = edited(({ events }) => events.splice(events.findIndex(({ type }) => type === "step_held")));
  t.same(faults(verify(cut)).includes("seal_events"), true, "the control: with its seal a cut log fails");
  const both = verifyBundle(
    edited((bundle) => bundle.events.splice(3, 1)),
    { ...context, trustFile: undefined },
  );
  t.equal(both.status, "failed", "a fault found without trust is still a fault");
});

t.test("records that our own keys signed must still fit each other", async (t) => {
  const cases: readonly { why: string; bends: Bends; code: CheckCode }[] = [
    { why: "an outcome with another token", bends: { outcomeJti: "stolen" }, code: "outcome_token" },
    { why: "an outcome without its admission", bends: { outcomeOf: "nothing" }, code: "outcome_admission" },
    { why: "an outcome before its admission", bends: { outcomeBeforeAdmission: true }, code: "outcome_admission" },
    { why: "an attempt admitted twice", bends: { admitTwice: true }, code: "admission_single" },
    { why: "an admission without an outcome", bends: { noOutcome: true }, code: "admission_outcome" },
    { why: "a record with another predecessor", bends: { wrongPrev: true }, code: "record_chain" },
    { why: "an approval of something else", bends: { approvedOther: true }, code: "approval_hold" },
    { why: "a rejected approval that was used", bends: { rejectedButUsed: true }, code: "approval_hold" },
    { why: "an approval by another role than was asked", bends: { approvedByOtherRole: true }, code: "approval_hold" },
    { why: "an approval for longer than was asked", bends: { approvedForLonger: true }, code: "approval_hold" },
    { why: "a held step admitted under no approval", bends: { heldAndUsedNone: true }, code: "approval_used" },
    { why: "an approval that served two attempts", bends: { approvalUsedTwice: true }, code: "approval_used" },
    { why: "a step bound to another version at its submission", bends: { boundToOtherTool: true }, code: "step_tool" },
    { why: "an outcome of another version", bends: { outcomeOfOtherTool: true }, code: "step_tool" },
    { why: "an outcome of no tool", bends: { outcomeOfNoTool: true }, code: "step_tool" },
    { why: "a tool of a step that is bound to none", bends: { toolOfUnboundStep: true }, code: "step_tool" },
    { why: "a record of another run", bends: { otherRun: true }, code: "record_run" },
    { why: "a lost effect that the seal hides", bends: { seal: { openEffects: [] } }, code: "seal_effects" },
    {
      why: "an outcome that names another step's admission",
      bends: { outcomeOf: "another step" },
      code: "outcome_admission",
    },
    { why: "an approval of another step", bends: { approvalOfOtherStep: true }, code: "approval_hold" },
    { why: "an artifact that attests a strange record", bends: { strangeAttestation: true }, code: "artifact_record" },
    { why: "an open effect that nobody admitted", bends: { strayEffect: true }, code: "seal_effects" },
    { why: "two seals", bends: { sealTwice: true }, code: "seal" },
    { why: "a seal of fewer events", bends: { seal: { events: 3 } }, code: "seal_events" },
    { why: "a seal of another log", bends: { seal: { headDigest: digest("other") } }, code: "seal_head" },
    {
      why: "a sealed bill of materials that is not here",
      bends: {
        seal: {
          billOfMaterials: digest("bom") as string as NonNullable<NonNullable<Bends["seal"]>["billOfMaterials"]>,
        },
      },
      code: "seal_artifact",
    },
  ];
  for (const { why, bends, code } of cases) {
    const report = verify(sampleRun(bends).file);
    t.equal(report.status, "failed", why);
    t.ok(faults(report).includes(code), `${why}: ${faults(report).join(" ")}`);
  }
});

t.test("T7 a replay's record, signed by our own key, is not shown as a real one", async (t) => {
  const replayed = edited((bundle) => {
    const admission = record(bundle, "admission");
    admission.statement = admission.statement.replace(predicateType("admission"), predicateType("replay"));
    const signer = makeSigner("decision", KEYS.decision);
    const context = { batchId: "replay" as BatchId, instanceUid: INSTANCE, nowMs: NOW_MS };
    const batch = signBatch([recordIdOf(admission.statement)], signer, context);
    Object.assign(admission, { batch: "replay", index: 0, path: [] });
    bundle.batches.push({ batch: "replay", envelope: JSON.parse(JSON.stringify(batchEnvelope(batch))) });
  });
  const report = verify(replayed);
  t.equal(report.status, "failed");
  t.ok(faults(report).includes("record_kind"));
  t.notOk(faults(report).includes("record_inclusion"), "its signature holds: only its type tells");
});

t.test("a file that is no evidence is a failed report, never a throw", async (t) => {
  for (const file of ["", "{", "[]", "null", '{"format":"stepgate-evidence/2"}', "\u0000", `{"a":1,"a":2}`]) {
    const report = verify(file);
    t.same([report.status, faults(report)], ["failed", ["form"]], JSON.stringify(file));
  }
});

t.test("one record, as the API answers it, verifies alone with its path and batch", async (t) => {
  const { evidence } = sampleRun();
  const stored = first(evidence.records, ({ leafIndex }) => leafIndex === 1);
  const batch = first(evidence.batches, ({ batchId }) => batchId === stored.batchId);
  const shown = { runUid: RUN, stepId: "sync", attempt: 1, createdAtMs: NOW_MS };
  const view = viewRecord({ ...stored, ...shown }, { ...batch, size: batch.leaves.length / 32 });
  const context = { trustFile: TRUST, pinnedRoot: undefined, nowMs: NOW_MS, onProgress: undefined };
  const verifyView = (change: JsonObject) => verifyRecordFile(JSON.stringify({ ...view, ...change }), context);
  t.match(verifyView({}), { status: "ok", summary: { records: 1, batches: 1 } });
  const inclusion = view["inclusion"] as JsonObject;
  const refusals: readonly { why: string; change: JsonObject; code: CheckCode }[] = [
    {
      why: "another statement",
      change: { record: { ...(view["record"] as JsonObject), _type: "x" } },
      code: "record_form",
    },
    { why: "another id beside it", change: { record_id: digest("other") }, code: "record_named" },
    { why: "another run beside it", change: { run_uid: TENANT }, code: "record_named" },
    { why: "another step beside it", change: { step_id: "fetch" }, code: "record_named" },
    { why: "another attempt beside it", change: { attempt: 2 }, code: "record_named" },
    { why: "another size", change: { inclusion: { ...inclusion, tree_size: 64 } }, code: "record_named" },
    { why: "another leaf", change: { inclusion: { ...inclusion, leaf_index: 0 } }, code: "record_inclusion" },
    { why: "another kind", change: { kind: "admission" }, code: "record_kind" },
    { why: "an unknown field", change: { keys: [] }, code: "form" },
  ];
  for (const { why, change, code } of refusals) {
    const report = verifyView(change);
    t.equal(report.status, "failed", why);
    t.ok(faults(report).includes(code), `${why}: ${faults(report).join(" ")}`);
  }
  t.equal(verifyRecordFile(JSON.stringify(view), { ...context, trustFile: undefined }).status, "not_established");
});

t.test("a decision outside a run verifies alone, and is refused inside one", async (t) => {
  const decision = buildDecision({
    tenantUid: TENANT,
    decisionUid: "01990000-0000-7000-8000-0000000000dd",
    inputCommitment: digest("input"),
    effect: "allow",
    evaluations: [evaluation()],
    tool: undefined,
    atMs: NOW_MS,
  });
  const report = verify(
    edited((bundle) => {
      bundle.records.push({ ...record(bundle, "hold"), kind: "decision", statement: decision.statement });
    }),
  );
  t.ok(faults(report).includes("record_run"));
  t.equal(canonicalJson(JSON.parse(decision.statement)), decision.statement);
});
