/**
 * Submitting a run: look up, check, seal, store; the same submission twice is one run (spec 02, 08).
 *
 * In: a checked submission and who sends it. Out: the run's uid and whether it is new. Everything that is wrong is refused
 * before anything is written. Not here: the checks (prepare-submission.ts), HTTP.
 */

import type { PackRef } from "../core/decision.ts";
import { StepgateError } from "../core/errors.ts";
import type { Digest, Ids, RunUid, StepId, TenantUid } from "../core/ids.ts";
import type { Principal, TenantAuthority } from "../core/tenant.ts";
import type { BlobPlace, SealedBlob, TenantVault } from "../core/vault.ts";
import type { Ceiling } from "./never-admissible.ts";
import { submissionIdentity } from "./normalize-submission.ts";
import type { RunStore } from "./ports.ts";
import type { makePrepareSubmission } from "./prepare-submission.ts";
import type { RunSubmission } from "./submission.ts";

export interface SubmitDeps {
  readonly store: RunStore;
  readonly prepare: ReturnType<typeof makePrepareSubmission>;
  readonly authority: (tenantUid: TenantUid) => Promise<TenantAuthority>;
  readonly vault: (tenantUid: TenantUid) => Promise<TenantVault>;
  /** The whole limits of the tenant's quotas, for steps that could never be admitted. */
  readonly ceilings: (tenantUid: TenantUid) => Promise<readonly Ceiling[]>;
  readonly packRef: (name: string) => PackRef | undefined;
  readonly ids: Ids;
  /** Called after the commit: steps may be ready. */
  readonly onSubmitted: (tenantUid: TenantUid, runUid: RunUid) => void;
  readonly onTraceReplaced: (runUid: RunUid) => void;
}

export interface SubmitInput {
  readonly tenantUid: TenantUid;
  readonly caller: Principal;
  readonly submission: RunSubmission;
  readonly idempotencyKey: string | undefined;
  readonly trace: { readonly traceparent: string; readonly tracestate?: string } | undefined;
}

export type SubmitRun = (input: SubmitInput) => Promise<{ readonly runUid: RunUid; readonly isNew: boolean }>;

/**
 * Makes the use case.
 *
 * @throws {StepgateError} (the use case) INPUT_MISMATCH for a known run id with another submission, IDEMPOTENCY_MISMATCH
 *   for a known key with another one, the codes of `prepare`, RATE_LIMITED when the quota on runs is used up.
 */
export function makeSubmitRun(deps: SubmitDeps): SubmitRun {
  return async ({ tenantUid, caller, submission, idempotencyKey, trace }) => {
    const vault = await deps.vault(tenantUid);
    const submissionDigest = vault.digest("submission", submissionIdentity(submission)) as Digest;
    const found = await deps.store.findSubmission({ tenantUid, runId: submission.id, idempotencyKey });
    if (found !== undefined) {
      if (found.submissionDigest !== submissionDigest) {
        throw new StepgateError(found.isSameId ? "INPUT_MISMATCH" : "IDEMPOTENCY_MISMATCH", { run_uid: found.runUid });
      }
      return { runUid: found.runUid, isNew: false };
    }
    const blobs: SealedBlob[] = [];
    const runUid = deps.ids.uuid() as RunUid;
    const seal = (field: BlobPlace["field"]) => (stepId: StepId, text: string) => {
      const blob = vault.seal({ runUid, stepId, field }, text);
      blobs.push(blob);
      return blob.blobId;
    };
    const authority = await deps.authority(tenantUid);
    const manifestId = submission.manifest_id as Digest | undefined;
    const prepared = deps.prepare(
      submission.trace === undefined && trace !== undefined ? { ...submission, trace } : submission,
      {
        runUid,
        caller,
        packs: activePacks(deps, authority),
        storedManifest: manifestId === undefined ? undefined : await deps.store.readManifest(tenantUid, manifestId),
        sealInput: seal("input"),
        sealLabels: (text) => seal("labels")("" as StepId, text),
        defaultRequest: new Map(
          Object.entries(authority.defaultRequests).map(([type, request]) => [
            type,
            { tokens: request.tokens, usdMicros: request.usd_micros },
          ]),
        ),
        quotas: await deps.ceilings(tenantUid),
      },
    );
    if (prepared.isTraceReplaced) deps.onTraceReplaced(runUid);
    const stored = await deps.store.submit({ tenantUid, prepared, caller, idempotencyKey, submissionDigest, blobs });
    if (stored.outcome === "mismatch") {
      throw new StepgateError(submission.id === undefined ? "IDEMPOTENCY_MISMATCH" : "INPUT_MISMATCH", {
        run_uid: stored.runUid,
      });
    }
    if (stored.outcome === "created") deps.onSubmitted(tenantUid, stored.runUid);
    return { runUid: stored.runUid, isNew: stored.outcome === "created" };
  };
}

function activePacks(deps: SubmitDeps, authority: TenantAuthority): readonly PackRef[] {
  const names = [
    ...authority.requiredGuardrails,
    ...(authority.runtimePack === undefined ? [] : [authority.runtimePack]),
  ];
  return [...new Set(names)].flatMap((name) => deps.packRef(name) ?? []);
}
