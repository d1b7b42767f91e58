/**
 * A run with one step of every story, signed by keys of its own: what the verifier's tests verify and tamper with.
 *
 * fetch succeeds · reply is denied · refund is held, approved, and fails · sync is lost, then fails and is refused.
 */

import { sha256Hex } from "../../src/core/canonical-json.ts";
import type { Evaluation } from "../../src/core/decision.ts";
import type { EventType, RunEvent } from "../../src/core/event.ts";
import type { ArtifactId, BatchId, Digest, RecordId, RunUid, StepId, TenantUid } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { KeyState, SigningPurpose } from "../../src/core/keys.ts";
import type { ToolRef } from "../../src/core/tool.ts";
import { buildAdmission } from "../../src/evidence/admission.ts";
import { buildApproval } from "../../src/evidence/approval.ts";
import { withSignature } from "../../src/evidence/artifact-signature.ts";
import { type Batch, signBatch } from "../../src/evidence/batch.ts";
import { type RunEvidence, type StoredArtifact, type StoredRecord, writeBundle } from "../../src/evidence/bundle.ts";
import { buildDecisionArtifact, type DecisionArtifact } from "../../src/evidence/decision-artifact.ts";
import type { GateEvidence } from "../../src/evidence/gate-evidence.ts";
import { buildHold } from "../../src/evidence/hold.ts";
import { type AttemptStatus, buildOutcome } from "../../src/evidence/outcome.ts";
import { buildRefusal } from "../../src/evidence/refusal.ts";
import { buildSeal, eventMembers, makeHeadDigest, type SealEvidence } from "../../src/evidence/seal.ts";
import { makeSigner, type SigningKey, signingKeyOf } from "../../src/evidence/signing-key.ts";
import type { EvidenceRecord } from "../../src/evidence/statement.ts";
import { signTrustBundle, type TrustStatement, trustFile } from "../../src/evidence/trust-bundle.ts";
import { NOW_MS, seededIds } from "./seeded.ts";

export const TENANT = "01990000-0000-7000-8000-0000000000aa" as TenantUid;
export const RUN = "01990000-0000-7000-8000-0000000000bb" as RunUid;
export const INSTANCE = "01990000-0000-7000-8000-0000000000cc";

export const digest = (name: string): Digest => sha256Hex(name);
export const step = (name: string, attempt = 1) => ({
  tenantUid: TENANT,
  runUid: RUN,
  stepId: name as StepId,
  attempt,
});

export function evaluation(change: Partial<Evaluation> = {}): Evaluation {
  return {
    stage: "guardrails",
    boundary: "ingress_tool",
    effect: "allow",
    reasons: [],
    patchPaths: [],
    obligations: [],
    pack: { id: "baseline", version: "1.0.0", digest: digest("baseline") },
    origins: [{ boundary: "ingress_tool", source: "user" }],
    durationUs: 40,
    ...change,
  };
}

export function gateEvidence(change: Partial<GateEvidence> = {}): GateEvidence {
  return {
    step: step("fetch"),
    specDigest: digest("spec"),
    requestCommitment: digest("request"),
    packInputCommitment: digest("input"),
    pack: { id: "allow_all", version: "1.0.0", digest: digest("allow_all") },
    tool: undefined,
    evaluations: [evaluation()],
    prev: undefined,
    atMs: NOW_MS,
    ...change,
  };
}

/** Signing keys of an instance and the trust file that vouches for them. */
export interface SampleKeys {
  readonly root: SigningKey;
  readonly decision: SigningKey;
  readonly artifact: SigningKey;
  readonly token: SigningKey;
}

export function sampleKeys(seed: string): SampleKeys {
  const { random } = seededIds(seed);
  const make = () => signingKeyOf(random(32));
  return { root: make(), decision: make(), artifact: make(), token: make() };
}

export function sampleTrust(
  keys: SampleKeys,
  states: Partial<Record<SigningPurpose, KeyState>> = {},
  change: Partial<TrustStatement> = {},
): string {
  const listed = (["decision", "artifact", "token"] as const).map((purpose) => ({
    ...keys[purpose].publicJwk,
    purpose,
    state: states[purpose] ?? ("active" as const),
  }));
  const bundle: TrustStatement = {
    version: 1,
    instanceUid: INSTANCE,
    issuedAtMs: NOW_MS - 1000,
    expiresAtMs: NOW_MS + 1000,
    keys: listed,
    ...change,
  };
  return trustFile(signTrustBundle(bundle, keys.root));
}

/** What a test bends while the records are honestly signed: the verifier must see it by the links alone. */
export interface Bends {
  readonly outcomeJti?: string;
  readonly outcomeOf?: "another step" | "nothing";
  readonly approvalOfOtherStep?: boolean;
  readonly strangeAttestation?: boolean;
  readonly strayEffect?: boolean;
  readonly sealTwice?: boolean;
  readonly outcomeBeforeAdmission?: boolean;
  readonly admitTwice?: boolean;
  readonly noOutcome?: boolean;
  readonly wrongPrev?: boolean;
  readonly approvedOther?: boolean;
  readonly rejectedButUsed?: boolean;
  readonly approvedByOtherRole?: boolean;
  readonly approvedForLonger?: boolean;
  readonly heldAndUsedNone?: boolean;
  readonly approvalUsedTwice?: boolean;
  readonly tokenKeySigns?: boolean;
  readonly otherInstance?: boolean;
  readonly otherRun?: boolean;
  readonly seal?: Partial<SealEvidence>;
  readonly noSeal?: boolean;
  readonly boundToOtherTool?: boolean;
  readonly outcomeOfOtherTool?: boolean;
  readonly outcomeOfNoTool?: boolean;
  readonly toolOfUnboundStep?: boolean;
}

/** What the step `fetch` calls. */
const TOOL = { name: "mail", version: 2, digest: digest("mail") };
const OTHER_TOOL = { ...TOOL, version: 3, digest: digest("mail 3") };

export interface SampleRun {
  readonly evidence: RunEvidence;
  readonly keys: SampleKeys;
  readonly file: string;
}

export function sampleRun(bends: Bends = {}, keys = sampleKeys("instance")): SampleRun {
  const log = new RunLog(keys, bends);
  const bound = bends.boundToOtherTool ? OTHER_TOOL : TOOL;
  log.event("run_submitted", undefined, { tools: { fetch: { ...bound, defaults: { tokens: 10 } } } });
  log.event("run_started", undefined, {});
  fetchStep(log, bends);
  replyStep(log, bends);
  refundStep(log, bends);
  syncStep(log, bends);
  log.event("run_failed", undefined, {});
  log.seal(bends);
  log.event("budget_warning", undefined, {});
  const evidence = log.evidence();
  return { evidence, keys, file: writeBundle(evidence) };
}

function fetchStep(log: RunLog, bends: Bends): void {
  const admission = admissionOf(
    "fetch",
    1,
    bends.otherRun ? { step: { ...step("fetch"), runUid: TENANT as string as RunUid } } : {},
  );
  const attested = bends.strangeAttestation ? (digest("stranger") as string as RecordId) : admission.id;
  const artifact = artifactOf("fetch", [attested]);
  const outcome = outcomeOf(
    "fetch",
    1,
    bends.outcomeOf !== "nothing" ? admission.id : (digest("nothing") as string as RecordId),
    "succeeded",
    {
      jti: bends.outcomeJti ?? "jti-fetch-1",
      artifact,
      tool: bends.outcomeOfNoTool ? undefined : bends.outcomeOfOtherTool ? OTHER_TOOL : TOOL,
    },
  );
  const started = () => log.event("step_started", "fetch", { attempt: 1, admission_record: admission.id });
  const ended = () =>
    log.event("step_succeeded", "fetch", { attempt: 1, admission_record: admission.id, outcome_record: outcome.id });
  if (bends.outcomeBeforeAdmission) {
    log.event("step_succeeded", "fetch", { attempt: 1, outcome_record: outcome.id });
    started();
  } else {
    started();
    if (!bends.noOutcome) ended();
  }
  if (bends.admitTwice) {
    const again = admissionOf("fetch", 1, { prev: outcome.id });
    log.event("step_started", "fetch", { attempt: 1, admission_record: again.id });
    log.sign([again]);
  }
  log.sign([admission]);
  log.sign(bends.noOutcome ? [] : [outcome], bends.noOutcome ? [] : [artifact]);
}

function replyStep(log: RunLog, bends: Bends): void {
  const evaluations = [evaluation({ effect: "deny", reasons: ["injection.override_instructions"] })];
  const artifact = artifactOf("reply", [], evaluations);
  const refusal = buildRefusal({
    ...gateEvidence({ step: step("reply"), evaluations, tool: bends.toolOfUnboundStep ? TOOL : undefined }),
    ...(bends.wrongPrev ? { prev: digest("elsewhere") as string as RecordId } : {}),
    errorKind: "policy_denied",
    stage: "guardrails",
    reasons: ["injection.override_instructions"],
    decisionArtifact: artifact.id,
  });
  log.event("step_refused", "reply", { refusal_record: refusal.id });
  log.sign([refusal], [artifact]);
}

function refundStep(log: RunLog, bends: Bends): void {
  const hold = buildHold({
    ...gateEvidence({ step: step("refund"), evaluations: [evaluation({ effect: "hold" })] }),
    shownCommitment: digest("shown"),
    role: "approver",
    expiresAtMs: NOW_MS + 1000,
  });
  const approval = buildApproval({
    step: step(bends.approvalOfOtherStep ? "fetch" : "refund"),
    holdRecord: hold.id,
    shownCommitment: digest(bends.approvedOther ? "something else" : "shown"),
    verdict: bends.rejectedButUsed ? "rejected" : "approved",
    approver: { keyId: "key", owner: "ada", role: bends.approvedByOtherRole ? "operator" : "approver" },
    expiresAtMs: NOW_MS + (bends.approvedForLonger ? 2000 : 1000),
    atMs: NOW_MS,
  });
  const evaluations = [evaluation({ effect: "hold" }), evaluation()];
  const used = bends.heldAndUsedNone ? undefined : approval.id;
  const admission = admissionOf("refund", 1, { prev: hold.id, evaluations }, used);
  const outcome = outcomeOf("refund", 1, admission.id, "failed");
  log.event("step_held", "refund", { hold_record: hold.id });
  log.event("approval_granted", bends.approvalOfOtherStep ? "fetch" : "refund", { approval_record: approval.id });
  log.event("step_started", "refund", { attempt: 1, admission_record: admission.id });
  log.event("step_failed", "refund", { attempt: 1, outcome_record: outcome.id });
  log.sign([hold]);
  log.sign([approval]);
  log.sign([admission]);
  log.sign([outcome]);
  if (!bends.approvalUsedTwice) return;
  const again = admissionOf("refund", 2, { prev: outcome.id, evaluations }, approval.id);
  log.event("step_started", "refund", { attempt: 2, admission_record: again.id });
  log.sign([again]);
}

function syncStep(log: RunLog, bends: Bends): void {
  const first = admissionOf("sync", 1);
  const admitted = bends.outcomeOf === "another step" ? admissionOf("fetch", 1).id : first.id;
  const lost = outcomeOf("sync", 1, admitted, "lost");
  const second = admissionOf("sync", 2, { prev: lost.id });
  const retried = outcomeOf("sync", 2, second.id, "retry_scheduled");
  const refusal = buildRefusal({
    ...gateEvidence({ step: step("sync", 3), prev: retried.id, evaluations: [] }),
    errorKind: "budget_exceeded",
    stage: "admit",
    reasons: ["budget_exceeded"],
    decisionArtifact: undefined,
  });
  log.event("step_started", "sync", { attempt: 1, admission_record: first.id });
  log.event("step_attempt_lost", "sync", { attempt: 1, outcome_record: lost.id });
  log.event("step_started", "sync", { attempt: 2, admission_record: second.id });
  log.event("step_retry_scheduled", "sync", { attempt: 2, outcome_record: retried.id });
  log.event("step_failed", "sync", { refusal_record: refusal.id });
  log.sign([first, lost, second]);
  log.sign([retried, refusal]);
}

function admissionOf(
  name: string,
  attempt: number,
  change: Partial<GateEvidence> = {},
  approval?: RecordId,
): EvidenceRecord {
  return buildAdmission({
    ...gateEvidence({ step: step(name, attempt), tool: name === "fetch" ? TOOL : undefined, ...change }),
    admissionUid: `admission-${name}-${attempt}`,
    token: { jti: `jti-${name}-${attempt}`, scopeDigest: digest("scope") },
    reserved: { tokens: 10, usdMicros: 500_000 },
    isolation: "process",
    isWeakerIsolationAllowed: false,
    approvalRecord: approval,
  });
}

function outcomeOf(
  name: string,
  attempt: number,
  admission: RecordId,
  status: AttemptStatus,
  {
    jti = `jti-${name}-${attempt}`,
    artifact,
    tool,
  }: { readonly jti?: string; readonly artifact?: DecisionArtifact; readonly tool?: ToolRef | undefined } = {},
): EvidenceRecord {
  return buildOutcome({
    step: step(name, attempt),
    admissionRecord: admission,
    jtis: [jti],
    status,
    error: status === "succeeded" ? undefined : { kind: "execution_error", code: "exit_code" },
    usage: { tokens: 10, usdMicros: 250_000, source: status === "lost" ? "assumed" : "reported" },
    outputCommitment: status === "succeeded" ? digest("output") : undefined,
    evaluations: [],
    decisionArtifact: artifact?.id,
    tool,
    startedAtMs: NOW_MS,
    atMs: NOW_MS + 12,
  });
}

function artifactOf(name: string, attestationIds: readonly RecordId[], evaluations = [evaluation()]): DecisionArtifact {
  return buildDecisionArtifact({
    runUid: RUN,
    stepId: name as StepId,
    evaluations: evaluations.map((entry) => ({ attempt: 1, evaluation: entry })),
    attestationIds,
    instanceUid: INSTANCE,
    profile: "policy",
    capability: undefined,
  });
}

class RunLog {
  private readonly events: RunEvent[] = [];
  private readonly records: StoredRecord[] = [];
  private readonly batches: Batch[] = [];
  private readonly artifacts: StoredArtifact[] = [];
  private readonly ids = seededIds("batches");
  private readonly keys: SampleKeys;
  private readonly bends: Bends;

  constructor(keys: SampleKeys, bends: Bends) {
    this.keys = keys;
    this.bends = bends;
  }

  event(type: EventType, stepId: string | undefined, data: JsonObject): void {
    const seq = this.events.length + 1;
    this.events.push({ runUid: RUN, seq, type, stepId: stepId as StepId | undefined, atMs: NOW_MS + seq, data });
  }

  sign(records: readonly EvidenceRecord[], artifacts: readonly DecisionArtifact[] = []): void {
    const context = () => ({
      batchId: this.ids.uuid() as BatchId,
      instanceUid: this.bends.otherInstance ? TENANT : INSTANCE,
      nowMs: NOW_MS,
    });
    if (records.length > 0) {
      const key = this.bends.tokenKeySigns ? this.keys.token : this.keys.decision;
      const batch = signBatch(
        records.map(({ id }) => id),
        makeSigner("decision", key),
        context(),
      );
      this.batches.push(batch);
      this.records.push(...records.map((record, leafIndex) => ({ ...record, batchId: batch.batchId, leafIndex })));
    }
    if (artifacts.length === 0) return;
    const leaves = artifacts.map(({ metadataDigest }) => metadataDigest);
    const batch = signBatch(leaves, makeSigner("artifact", this.keys.artifact), context());
    for (const [index, { id, mediaType, payload, metadata }] of artifacts.entries()) {
      this.artifacts.push({ id, mediaType, payload, metadata: withSignature(metadata, batch, index) });
    }
  }

  seal({ seal, noSeal, strayEffect, sealTwice }: Bends): void {
    if (noSeal) return;
    const head = makeHeadDigest();
    for (const event of this.events) head.add(eventMembers(event));
    const countOf = (kind: string) => this.records.filter((record) => record.kind === kind).length;
    const lost = this.events.find(({ type, stepId }) => type === "step_started" && stepId === "sync");
    const record = buildSeal({
      tenantUid: TENANT,
      runUid: RUN,
      runId: "sample",
      status: "failed",
      manifestId: sha256Hex(MANIFEST),
      counts: {
        admission: countOf("admission"),
        refusal: countOf("refusal"),
        hold: countOf("hold"),
        outcome: countOf("outcome"),
        approval: countOf("approval"),
      },
      events: this.events.length,
      headDigest: head.finish(),
      openEffects: [
        lost?.data["admission_record"] as RecordId,
        ...(strayEffect ? [digest("stray") as string as RecordId] : []),
      ],
      finalSnapshotId: digest("snapshot"),
      billOfMaterials: undefined as ArtifactId | undefined,
      atMs: NOW_MS,
      ...seal,
    });
    this.sign([record]);
    if (sealTwice) this.seal({ seal: { ...seal, atMs: NOW_MS + 1 } });
  }

  evidence(): RunEvidence {
    return {
      tenantUid: TENANT,
      runUid: RUN,
      runId: "sample",
      status: "failed",
      manifest: MANIFEST,
      events: this.events,
      records: this.records,
      batches: this.batches,
      artifacts: this.artifacts,
    };
  }
}

const MANIFEST = '{"kind":"dag","op_id":"sample"}';
