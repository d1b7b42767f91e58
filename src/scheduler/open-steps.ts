/**
 * Opens the payloads of claimed steps: inputs, which come with the claim, and labels, checkpoints and what the inputs refer
 * to; at most two reads for a batch, none where there is nothing of these.
 *
 * In: claimed steps. Out: leased steps ready for the gate, or why one could not be opened. Not here: claiming, deciding.
 */
import { isStepgateError, StepgateError } from "../core/errors.ts";
import type { BlobId, RunUid, StepId } from "../core/ids.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { parseJson } from "../core/parse-json.ts";
import type { StepSpec } from "../core/step.ts";
import type { StoredBlob } from "../core/vault.ts";
import type { LeasedStep } from "../gate/leased-step.ts";
import type { OpenableVault, TenantVaults } from "../gate/tenant-vault.ts";
import { readStepRef, type StepRef } from "../runs/step-ref.ts";
import type { ClaimedStep, Queue, ReferredStep } from "./ports.ts";

export type OpenedStep =
  | { readonly ok: true; readonly step: LeasedStep; readonly vault: OpenableVault }
  | { readonly ok: false; readonly step: LeasedStep; readonly vault: OpenableVault; readonly error: StepgateError };

export interface OpenDeps {
  readonly queue: Pick<Queue, "readBlobs" | "readReferred">;
  readonly vaults: Pick<TenantVaults, "opening">;
}

/** Opens a batch. A payload that does not open refuses its own step only (spec 10, K4). */
export function makeOpenSteps({
  queue,
  vaults,
}: OpenDeps): (claimed: readonly ClaimedStep[]) => Promise<readonly OpenedStep[]> {
  return async (claimed) => {
    const referred = await queue.readReferred(
      claimed.flatMap(({ tenantUid, runUid, refs }) =>
        refs.map(readStepRef).map((ref) => ({ tenantUid, runUid: ref.runUid ?? runUid, stepId: ref.stepId })),
      ),
    );
    const wanted = [
      ...claimed.flatMap((step) =>
        ids(step.checkpointBlob, step.labelsBlob).map((blobId) => ({
          tenantUid: step.tenantUid,
          blobId,
        })),
      ),
      ...referred.flatMap((step) =>
        ids(step.inputBlob, step.outputBlob).map((blobId) => ({ tenantUid: step.tenantUid, blobId })),
      ),
    ];
    const read = await queue.readBlobs(wanted);
    const inputs = claimed.flatMap(({ inputSealed }) => (inputSealed === undefined ? [] : [inputSealed]));
    const blobs = new Map([...read, ...inputs.map((blob) => [blob.blobId, blob] as const)]);
    const sealedBy = Map.groupBy(blobs.values(), ({ tenantUid }) => tenantUid);
    const byTenant = Map.groupBy(claimed, ({ tenantUid }) => tenantUid);
    const opened = new Map<ClaimedStep, OpenedStep>();
    for (const [tenantUid, steps] of byTenant) {
      const vault = await vaults.opening(tenantUid, sealedBy.get(tenantUid) ?? []);
      for (const step of steps) opened.set(step, openStep(step, { blobs, referred, vault }));
    }
    return claimed.flatMap((step) => opened.get(step) ?? []);
  };
}

interface Opening {
  readonly blobs: ReadonlyMap<BlobId, StoredBlob>;
  readonly referred: readonly ReferredStep[];
  readonly vault: OpenableVault;
}

function openStep(claimed: ClaimedStep, opening: Opening): OpenedStep {
  const { vault } = opening;
  try {
    const inputs = openObject(claimed, opening, claimed.inputBlob, "input");
    const labels = claimed.labelsBlob === undefined ? {} : openLabels(claimed, opening, claimed.labelsBlob);
    const checkpoint =
      claimed.checkpointBlob === undefined
        ? undefined
        : openValue(claimed, opening, claimed.checkpointBlob, "checkpoint");
    const refs = claimed.refs.map(readStepRef);
    const referenced = new Map(refs.map((ref) => [ref.stepId, referredValue(claimed, opening, ref)] as const));
    const referencedRuns = new Map(
      refs.flatMap(({ stepId, runUid }) => (runUid === undefined ? [] : [[stepId, runUid] as const])),
    );
    return {
      ok: true,
      vault,
      step: leasedStep(claimed, { inputs, labels, checkpoint, referenced: withoutMissing(referenced), referencedRuns }),
    };
  } catch (caught) {
    if (!isStepgateError(caught)) throw caught;
    return {
      ok: false,
      vault,
      error: caught,
      step: leasedStep(claimed, NOTHING_OPENED),
    };
  }
}

interface OpenedPayloads {
  readonly inputs: JsonObject;
  readonly labels: JsonObject;
  readonly checkpoint: JsonValue | undefined;
  readonly referenced: ReadonlyMap<StepId, JsonValue>;
  readonly referencedRuns: ReadonlyMap<StepId, RunUid>;
}

const NOTHING_OPENED: OpenedPayloads = {
  inputs: {},
  labels: {},
  checkpoint: undefined,
  referenced: new Map(),
  referencedRuns: new Map(),
};

function leasedStep(claimed: ClaimedStep, { inputs, labels, ...opened }: OpenedPayloads): LeasedStep {
  const {
    isAlone: _alone,
    inputSealed: _input,
    origin: _origin,
    spec,
    checkpointBlob: _checkpoint,
    labelsBlob: _labels,
    refs: _refs,
    nowMs: _now,
    run,
    ...rest
  } = claimed;
  // written by our own submission in exactly this form (runs/prepare-submission.ts)
  const stored = spec as JsonObject & Omit<StepSpec, "id" | "inputs">;
  return {
    ...rest,
    spec: { ...stored, id: claimed.stepId, inputs },
    ...opened,
    hasReferences: claimed.refs.length > 0,
    run: { ...run, labels },
  };
}

/** What a reference starts at: a dependency's output; for a compensation its origin's inputs and output. */
function referredValue(claimed: ClaimedStep, opening: Opening, ref: StepRef): JsonValue | undefined {
  const place = { runUid: ref.runUid ?? claimed.runUid, stepId: ref.stepId };
  const source = opening.referred.find((step) => step.runUid === place.runUid && step.stepId === place.stepId);
  if (source === undefined) return undefined;
  const output = source.outputBlob === undefined ? undefined : openOutput(place, opening, source.outputBlob);
  if (!ref.hasInputs && ref.stepId !== claimed.origin) return output;
  const inputs = openObject(place, opening, source.inputBlob, "input");
  return output === undefined ? { inputs } : { inputs, output };
}

function openOutput(
  place: Pick<ClaimedStep, "runUid" | "stepId">,
  opening: Opening,
  blobId: BlobId,
): JsonValue | undefined {
  const sealed = openObject(place, opening, blobId, "output");
  return sealed["value"];
}

function openLabels(claimed: ClaimedStep, opening: Opening, blobId: BlobId): JsonObject {
  return openObject({ runUid: claimed.runUid, stepId: "" as StepId }, opening, blobId, "labels");
}

function openObject(
  place: Pick<ClaimedStep, "runUid" | "stepId">,
  opening: Opening,
  blobId: BlobId,
  field: string,
): JsonObject {
  const value = openValue(place, opening, blobId, field);
  // nothing else is ever stored there, and a step must not run on no inputs for want of its own
  if (!isJsonObject(value)) throw new StepgateError("BLOB_UNREADABLE", { run_uid: place.runUid, field });
  return value;
}

function openValue(
  place: Pick<ClaimedStep, "runUid" | "stepId">,
  { blobs, vault }: Opening,
  blobId: BlobId,
  field: string,
): JsonValue {
  return parseJson(vault.open(blobs.get(blobId), { runUid: place.runUid, stepId: place.stepId, field }));
}

function withoutMissing(map: ReadonlyMap<StepId, JsonValue | undefined>): ReadonlyMap<StepId, JsonValue> {
  return new Map([...map].flatMap(([stepId, value]) => (value === undefined ? [] : [[stepId, value] as const])));
}

function ids(...blobIds: readonly (BlobId | undefined)[]): readonly BlobId[] {
  return blobIds.filter((blobId) => blobId !== undefined);
}
