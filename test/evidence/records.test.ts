import t from "tap";
import { canonicalJson, sha256Hex } from "../../src/core/canonical-json.ts";
import type { ArtifactId, Digest, RecordId } from "../../src/core/ids.ts";
import { buildAdmission } from "../../src/evidence/admission.ts";
import { buildApproval } from "../../src/evidence/approval.ts";
import { buildDecision } from "../../src/evidence/decision-record.ts";
import { buildHold } from "../../src/evidence/hold.ts";
import { buildOutcome } from "../../src/evidence/outcome.ts";
import { buildRefusal } from "../../src/evidence/refusal.ts";
import { buildSeal, makeHeadDigest } from "../../src/evidence/seal.ts";
import { type EvidenceRecord, RECORD_KINDS, readStatement } from "../../src/evidence/statement.ts";
import { digest, evaluation, gateEvidence, RUN, step, TENANT } from "./sample-run.ts";
import { NOW_MS } from "./seeded.ts";

const id = (name: string) => digest(name) as string as RecordId;
const SECRET = "4111 1111 1111 1111";
const echoing = evaluation({
  obligations: [{ id: "tell", type: "notify", properties: { sink: SECRET } }],
  patchPaths: ["/inputs/card"],
});

const ADMISSION = buildAdmission({
  ...gateEvidence({
    evaluations: [echoing],
    prev: id("before"),
    tool: { name: "mail", version: 2, digest: digest("mail") },
  }),
  admissionUid: "01990000-0000-7000-8000-000000000001",
  token: { jti: "jti-1", scopeDigest: digest("scope") },
  reserved: { tokens: 10, usdMicros: 500_000 },
  isolation: "namespaces",
  isWeakerIsolationAllowed: true,
  approvalRecord: id("approval"),
});
const RECORDS: readonly EvidenceRecord[] = [
  ADMISSION,
  buildRefusal({
    ...gateEvidence({ pack: undefined, packInputCommitment: undefined, evaluations: [echoing] }),
    errorKind: "policy_denied",
    stage: "guardrails",
    reasons: ["injection.override_instructions"],
    decisionArtifact: digest("artifact") as string as ArtifactId,
  }),
  buildHold({ ...gateEvidence(), shownCommitment: digest("shown"), role: "approver", expiresAtMs: NOW_MS + 1000 }),
  buildOutcome({
    step: step("fetch", 2),
    admissionRecord: ADMISSION.id,
    jtis: ["jti-1", "jti-2"],
    status: "failed",
    error: { kind: "execution_error", code: "exit_code" },
    usage: { tokens: 7, usdMicros: 1, source: "reported" },
    outputCommitment: undefined,
    evaluations: [echoing],
    decisionArtifact: undefined,
    tool: { name: "mail", version: 2, digest: digest("mail") },
    startedAtMs: NOW_MS,
    atMs: NOW_MS + 5,
  }),
  buildApproval({
    step: step("fetch"),
    holdRecord: id("hold"),
    shownCommitment: digest("shown"),
    verdict: "approved",
    approver: { keyId: "k1", owner: "ada", role: "approver" },
    expiresAtMs: NOW_MS + 1000,
    atMs: NOW_MS,
  }),
  buildDecision({
    tenantUid: TENANT,
    decisionUid: "01990000-0000-7000-8000-000000000002",
    inputCommitment: digest("input"),
    effect: "allow",
    evaluations: [echoing],
    tool: { name: "mail", version: 2, digest: digest("mail") },
    atMs: NOW_MS,
  }),
  buildSeal({
    tenantUid: TENANT,
    runUid: RUN,
    runId: undefined,
    status: "succeeded",
    manifestId: digest("manifest"),
    counts: { admission: 1, refusal: 0, hold: 0, outcome: 1, approval: 0 },
    events: 4,
    headDigest: digest("head"),
    openEffects: [],
    finalSnapshotId: digest("snapshot"),
    billOfMaterials: undefined,
    atMs: NOW_MS,
  }),
];

t.test("every kind of record is a canonical in-toto statement, and its id the digest of its bytes", async (t) => {
  t.same(
    RECORDS.map(({ kind }) => kind),
    RECORD_KINDS,
  );
  for (const { kind, id, statement } of RECORDS) {
    t.equal(id, sha256Hex(statement), kind);
    t.equal(canonicalJson(JSON.parse(statement)), statement, `${kind} is canonical`);
    t.match(readStatement(statement), {
      _type: "https://in-toto.io/Statement/v1",
      predicateType: `https://stepgate.dev/${kind}/v1`,
    });
  }
});

t.test("no record holds payload, not even what a pack echoes into an obligation", async (t) => {
  for (const { kind, statement } of RECORDS) t.notMatch(statement, SECRET, kind);
  t.match(
    ADMISSION.statement,
    '"obligations":[{"id":"tell","type":"notify"}]',
    "the control: it is there by id and type",
  );
});

t.test("an admission says who, what was asked, who decided, under which token and reservation", async (t) => {
  const { subject, predicate } = readStatement(ADMISSION.statement);
  t.same(subject, [{ digest: { sha256: digest("request") }, name: `urn:stepgate:${TENANT}:${RUN}:fetch:1` }]);
  t.same(predicate, {
    admission_uid: "01990000-0000-7000-8000-000000000001",
    approval_record: id("approval"),
    evaluations: [
      {
        boundary: "ingress_tool",
        duration_us: 40,
        effect: "allow",
        obligations: [{ id: "tell", type: "notify" }],
        origins: [{ boundary: "ingress_tool", source: "user" }],
        pack: { digest: digest("baseline"), id: "baseline", version: "1.0.0" },
        patch_paths: ["/inputs/card"],
        reasons: [],
        stage: "guardrails",
      },
    ],
    isolation: "namespaces",
    pack: { digest: digest("allow_all"), id: "allow_all", version: "1.0.0" },
    pack_input_commitment: digest("input"),
    prev: id("before"),
    request_commitment: digest("request"),
    reservation: { tokens: 10, usd_micros: 500_000 },
    spec_digest: digest("spec"),
    step: { attempt: 1, run_uid: RUN, step: "fetch", tenant: TENANT },
    time: "2026-11-21T12:00:00.000Z",
    token: { jti: "jti-1", scope_digest: digest("scope") },
    tool: { digest: digest("mail"), name: "mail", version: 2 },
    weaker_isolation_allowed: true,
  });
});

t.test("a refusal has neither token nor reservation; an outcome names its admission as subject", async (t) => {
  const [, refusal, , outcome] = RECORDS.map(({ statement }) => readStatement(statement));
  t.notOk("token" in (refusal?.predicate ?? {}) || "reservation" in (refusal?.predicate ?? {}));
  t.match(refusal?.predicate, {
    error_kind: "policy_denied",
    stage: "guardrails",
    decision_artifact: digest("artifact"),
  });
  t.same(
    outcome?.subject.map(({ digest: { sha256 } }) => sha256),
    [ADMISSION.id],
  );
  t.match(outcome?.predicate, {
    prev: ADMISSION.id,
    jtis: ["jti-1", "jti-2"],
    usage: { source: "reported", tokens: 7 },
  });
});

t.test("a statement of another shape, and text that is not strict JSON, are refused", async (t) => {
  const { statement } = ADMISSION;
  const refusals = [
    { why: "an unknown field", text: statement.replace("{", '{"a":1,'), code: "EVIDENCE_MALFORMED" },
    { why: "another type", text: statement.replace("Statement/v1", "Statement/v2"), code: "EVIDENCE_MALFORMED" },
    {
      why: "a digest in capitals",
      text: statement.replace(/"sha256":"(.)/, '"sha256":"A'),
      code: "EVIDENCE_MALFORMED",
    },
    { why: "a duplicate key", text: statement.replace("{", '{"_type":"",'), code: "JSON_INVALID" },
  ];
  for (const { why, text, code } of refusals) t.throws(() => readStatement(text), { code }, why);
});

t.test("the head digest is over canonical events, each preceded by its length, so no border can move", async (t) => {
  const digestOf = (...events: readonly { readonly a: string }[]): Digest => {
    const head = makeHeadDigest();
    for (const event of events) head.add(event);
    return head.finish();
  };
  const length = Buffer.alloc(8);
  length.writeUInt8(10, 7);
  t.equal(digestOf({ a: "é" }), sha256Hex(Buffer.concat([length, Buffer.from('{"a":"é"}')])), "bytes, not characters");
  t.not(digestOf({ a: "1" }, { a: "2" }), digestOf({ a: "2" }, { a: "1" }));
});
