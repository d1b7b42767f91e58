/**
 * Forking: a new run that goes on from one step of an ended one; the ended run stays as it is, sealed (spec 06, fork).
 *
 * In: the run, the step, who asks, the step's inputs if they are to be other ones. Out: the new run. It takes over outputs
 * of the run before by reference, with their origin, draws on what its root's budget has left, and inherits no approval.
 * Not here: which steps run again (fork-plan.ts), replay.
 */
import { canonicalJson } from "../core/canonical-json.ts";
import { StepgateError } from "../core/errors.ts";
import type { BlobId, RunUid, StepId, TenantUid } from "../core/ids.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { parseJson } from "../core/parse-json.ts";
import { isRunEnded } from "../core/state.ts";
import type { Principal } from "../core/tenant.ts";
import type { StoredBlob } from "../core/vault.ts";
import { type ForkPlan, forkPlan } from "./fork-plan.ts";
import { type makeReadManifest, planOfManifest } from "./manifest.ts";
import type { Manifest } from "./manifest-shape.ts";
import { checkEstimates } from "./normalize-step.ts";
import type { NormalizedRun } from "./normalize-submission.ts";
import type { ForkSourceStep, RunRow, RunStore } from "./ports.ts";
import type { NewStart, StartRun } from "./start-run.ts";
import type { ForkOrigin } from "./step-ref.ts";

export interface ForkDeps {
  readonly store: Pick<RunStore, "find" | "forkSource" | "readBlobs" | "readManifest">;
  readonly readManifest: ReturnType<typeof makeReadManifest>;
  readonly open: (blob: StoredBlob) => Promise<string>;
  readonly startRun: StartRun;
}

export interface ForkInput {
  readonly tenantUid: TenantUid;
  readonly caller: Principal;
  readonly runUid: RunUid;
  readonly stepId: StepId;
  /** In place of the step's own ones. */
  readonly inputs: JsonObject | undefined;
  readonly idempotencyKey: string | undefined;
}

export type ForkRun = (input: ForkInput) => Promise<{ readonly runUid: RunUid; readonly isNew: boolean } | undefined>;

/**
 * Makes the use case; undefined for a run that is not there.
 *
 * @throws {StepgateError} (the use case) STATE_CONFLICT for a run that has not ended, BLOB_ERASED when inputs it needs are
 *   gone, the codes of `forkPlan` and of `StartRun`.
 */
export function makeForkRun(deps: ForkDeps): ForkRun {
  return async ({ tenantUid, caller, runUid, stepId, inputs, idempotencyKey }) => {
    const run = await deps.store.find(tenantUid, { runUid });
    if (run === undefined) return undefined;
    return deps.startRun({
      tenantUid,
      caller,
      runId: undefined,
      idempotencyKey,
      identity: canonicalJson({ fork: { run: runUid, step: stepId, ...(inputs === undefined ? {} : { inputs }) } }),
      make: () => makeFork(deps, { tenantUid, run, stepId, inputs }),
    });
  };
}

async function makeFork(
  deps: ForkDeps,
  { tenantUid, run, stepId, inputs }: Pick<ForkInput, "tenantUid" | "stepId" | "inputs"> & { readonly run: RunRow },
): Promise<NewStart> {
  const { runUid } = run;
  if (!isRunEnded(run.status)) throw new StepgateError("STATE_CONFLICT", { run_uid: runUid, run_status: run.status });
  const manifest = await readManifestOf(deps, tenantUid, run);
  const source = new Map((await deps.store.forkSource(tenantUid, runUid)).map((step) => [step.stepId, step]));
  const cut = forkPlan(manifest.plan, stepId, (id) => source.get(id)?.status);
  if (inputs !== undefined) checkEstimates(inputs, "/inputs");
  const opened = await openInputs(deps, { tenantUid, cut, source });
  const given = inputs === undefined ? opened : { ...opened, [stepId]: inputs };
  const plan = planOfManifest({ ...manifest, plan: cut.plan }, given);
  return {
    run: await normalizedFork(deps, { tenantUid, run, manifest, plan }),
    fork: originOf({ runUid, stepId, cut, source }),
  };
}

async function readManifestOf(deps: ForkDeps, tenantUid: TenantUid, { manifestId }: RunRow): Promise<Manifest> {
  const stored = await deps.store.readManifest(tenantUid, manifestId);
  if (stored === undefined) throw new StepgateError("MANIFEST_NOT_FOUND", { manifest_id: manifestId });
  return deps.readManifest(stored, manifestId).manifest;
}

type Source = ReadonlyMap<StepId, ForkSourceStep>;

async function openInputs(
  deps: ForkDeps,
  { tenantUid, cut, source }: { readonly tenantUid: TenantUid; readonly cut: ForkPlan; readonly source: Source },
): Promise<Readonly<Record<string, JsonObject>>> {
  const blobOf = (id: StepId): BlobId | undefined => source.get(id)?.inputBlob;
  const blobs = await deps.store.readBlobs(
    tenantUid,
    cut.plan.steps.flatMap(({ id }) => blobOf(id) ?? []),
  );
  const opened: Record<string, JsonObject> = {};
  for (const { id } of cut.plan.steps) {
    const blobId = blobOf(id);
    const blob = blobId === undefined ? undefined : blobs.get(blobId);
    if (blob === undefined) throw new StepgateError("BLOB_ERASED", { step: id });
    const inputs = parseJson(await deps.open(blob));
    opened[id] = isJsonObject(inputs) ? inputs : {};
  }
  return opened;
}

async function normalizedFork(
  deps: ForkDeps,
  {
    tenantUid,
    run,
    manifest,
    plan,
  }: {
    readonly tenantUid: TenantUid;
    readonly run: RunRow;
    readonly manifest: Manifest;
    readonly plan: NormalizedRun["plan"];
  },
): Promise<NormalizedRun> {
  return {
    kind: run.kind as NormalizedRun["kind"],
    // an operation named after its plan's digest is another one with another plan
    opId: /^[0-9a-f]{64}$/.test(manifest.op_id) ? undefined : manifest.op_id,
    plan,
    runConfig: manifest.run_config,
    manifestId: undefined,
    inputs: undefined,
    start: {
      runId: undefined,
      labels: await labelsOf(deps, tenantUid, run),
      subject: run.subject,
      priority: run.priority,
      seed: undefined,
      timeLimitMs: undefined,
      trace: undefined,
      breakpoints: [],
      // what the root has left is reckoned where its row is locked
      budget: undefined,
    },
  };
}

async function labelsOf(
  deps: ForkDeps,
  tenantUid: TenantUid,
  { labelsBlob }: RunRow,
): Promise<Readonly<Record<string, string>> | undefined> {
  if (labelsBlob === undefined) return undefined;
  const blob = (await deps.store.readBlobs(tenantUid, [labelsBlob])).get(labelsBlob);
  if (blob === undefined) return undefined;
  // written by our own submission in exactly this form
  return parseJson(await deps.open(blob)) as Readonly<Record<string, string>>;
}

function originOf({
  runUid,
  stepId,
  cut,
  source,
}: {
  readonly runUid: RunUid;
  readonly stepId: StepId;
  readonly cut: ForkPlan;
  readonly source: Source;
}): ForkOrigin {
  return {
    runUid,
    stepId,
    rootRunUid: source.get(stepId)?.rootRunUid ?? runUid,
    takenOver: new Map(cut.takenOver.map((id) => [id, source.get(id)?.lastRecord])),
    compensated: cut.compensated,
  };
}
