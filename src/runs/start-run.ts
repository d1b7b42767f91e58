/**
 * Starting a run: look up, check, seal, store; the same start twice is one run (spec 02, 08).
 *
 * In: what identifies the start, and how its plan is made once it is known to be new. Out: the run's uid and whether it
 * is new. Everything that is wrong is refused before anything is written. Not here: what a submission or a fork is
 * (submit-run.ts, fork-run.ts), the checks (prepare-submission.ts).
 */
import type { PackRef } from "../core/decision.ts";
import { StepgateError } from "../core/errors.ts";
import type { Digest, Ids, RunUid, StepId, TenantUid } from "../core/ids.ts";
import type { Principal, TenantAuthority } from "../core/tenant.ts";
import type { BlobPlace, SealedBlob, TenantVault } from "../core/vault.ts";
import type { Ceiling } from "./never-admissible.ts";
import type { NormalizedRun } from "./normalize-submission.ts";
import { type ToolPins, toolNames } from "./pin-tools.ts";
import type { RunStore } from "./ports.ts";
import type { makePrepareRun } from "./prepare-submission.ts";
import type { ForkOrigin } from "./step-ref.ts";

export interface StartDeps {
  readonly store: RunStore;
  readonly prepare: ReturnType<typeof makePrepareRun>;
  readonly authority: (tenantUid: TenantUid) => Promise<TenantAuthority>;
  readonly vault: (tenantUid: TenantUid) => Promise<TenantVault>;
  /** The whole limits of the tenant's quotas, for steps that could never be admitted. */
  readonly ceilings: (tenantUid: TenantUid) => Promise<readonly Ceiling[]>;
  readonly packRef: (name: string) => PackRef | undefined;
  /** The newest version of each of these tools that is registered, by name. */
  readonly tools: (tenantUid: TenantUid, names: readonly string[]) => Promise<ToolPins>;
  readonly ids: Ids;
  /** Called after the commit: steps may be ready. */
  readonly onSubmitted: (tenantUid: TenantUid, runUid: RunUid) => void;
  readonly onTraceReplaced: (runUid: RunUid) => void;
}

export interface StartInput {
  readonly tenantUid: TenantUid;
  readonly caller: Principal;
  /** The id its submitter chose. */
  readonly runId: string | undefined;
  readonly idempotencyKey: string | undefined;
  /** Canonical text of what makes two starts the same one. */
  readonly identity: string;
  /** Called only for a start that was not found. */
  readonly make: () => Promise<NewStart> | NewStart;
}

export interface NewStart {
  readonly run: NormalizedRun;
  readonly fork: ForkOrigin | undefined;
}

export type StartRun = (input: StartInput) => Promise<{ readonly runUid: RunUid; readonly isNew: boolean }>;

/**
 * Makes the start of runs.
 *
 * @throws {StepgateError} (the start) INPUT_MISMATCH for a known run id with another start, IDEMPOTENCY_MISMATCH for a
 *   known key with another one, the codes of `make` and `prepare`, RATE_LIMITED when the quota on runs is used up.
 */
export function makeStartRun(deps: StartDeps): StartRun {
  return async (input) => {
    const { tenantUid, caller, runId, idempotencyKey } = input;
    const vault = await deps.vault(tenantUid);
    const submissionDigest = vault.digest("submission", input.identity) as Digest;
    const found = await deps.store.findSubmission({ tenantUid, runId, idempotencyKey });
    if (found !== undefined) {
      if (found.submissionDigest !== submissionDigest) {
        throw new StepgateError(found.isSameId ? "INPUT_MISMATCH" : "IDEMPOTENCY_MISMATCH", { run_uid: found.runUid });
      }
      return { runUid: found.runUid, isNew: false };
    }
    const { run, fork } = await input.make();
    const blobs: SealedBlob[] = [];
    const runUid = deps.ids.uuid() as RunUid;
    const seal = (field: BlobPlace["field"]) => (stepId: StepId, text: string) => {
      const blob = vault.seal({ runUid, stepId, field }, text);
      blobs.push(blob);
      return blob.blobId;
    };
    const authority = await deps.authority(tenantUid);
    const { manifestId } = run;
    const names = toolNames(run);
    const prepared = deps.prepare(run, {
      runUid,
      caller,
      packs: activePacks(deps, authority),
      tools: names.length === 0 ? new Map() : await deps.tools(tenantUid, names),
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
      fork,
    });
    if (prepared.isTraceReplaced) deps.onTraceReplaced(runUid);
    const stored = await deps.store.submit({ tenantUid, prepared, caller, idempotencyKey, submissionDigest, blobs });
    if (stored.outcome === "mismatch") {
      throw new StepgateError(stored.isSameId ? "INPUT_MISMATCH" : "IDEMPOTENCY_MISMATCH", {
        run_uid: stored.runUid,
      });
    }
    if (stored.outcome === "created") deps.onSubmitted(tenantUid, stored.runUid);
    return { runUid: stored.runUid, isNew: stored.outcome === "created" };
  };
}

function activePacks(deps: StartDeps, authority: TenantAuthority): readonly PackRef[] {
  const names = [
    ...authority.requiredGuardrails,
    ...(authority.runtimePack === undefined ? [] : [authority.runtimePack]),
  ];
  return [...new Set(names)].flatMap((name) => deps.packRef(name) ?? []);
}
