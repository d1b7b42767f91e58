/**
 * A batch of settlements as the columns of `settle_steps` (functions/settle.sql), in its order.
 *
 * What only kinds other than a plain success have goes as one JSON text an item. Not here: what the values mean
 * (gate/settlement.ts).
 */
import { StepgateError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { Batch } from "../evidence/batch.ts";
import type { AttemptEnd, Settlement } from "../gate/settlement.ts";
import { byteaArray, int4Array, int8Array, jsonArray, jsonbArray, textArray, uuidArray } from "./binary-array.ts";
import { blobColumns } from "./blob-columns.ts";
import { jsonText } from "./json-rows.ts";
import type { SqlValue } from "./prepare.ts";

export function settlementColumns(settlements: readonly Settlement[], batches: readonly Batch[]): readonly SqlValue[] {
  const all = <T>(of: (settlement: Settlement) => T): readonly T[] => settlements.map(of);
  const [decisions, artifacts] = batchesByKey(settlements, batches);
  return [
    jsonbArray(all(rareText)),
    textArray(all(({ kind }) => kind)),
    uuidArray(all(({ address }) => address.tenantUid)),
    uuidArray(all(({ address }) => address.runUid)),
    textArray(all(({ address }) => address.stepId)),
    int8Array(all(({ address }) => address.leaseEpoch)),
    ...endColumns(settlements),
    textArray(all(({ audit }) => audit?.actor)),
    textArray(all(({ audit }) => audit?.action)),
    textArray(all(({ audit }) => audit && jsonText(audit.resource))),
    textArray(all(({ evaluations }) => evaluations?.phase)),
    textArray(all(({ evaluations }) => evaluations?.recordId)),
    jsonArray(all(({ evaluations }) => evaluations && jsonText(evaluations.body))),
    uuidArray(all(({ evaluations }) => evaluations?.detailsBlob)),
    uuidArray(all(({ evaluations }) => evaluations?.inputBlob)),
    ...artifactColumns(settlements, artifacts),
    ...recordColumns(settlements, decisions),
    int4Array(settlements.flatMap(({ events }, index) => events.map(() => index + 1))),
    textArray(settlements.flatMap(({ events }) => events.map(({ type }) => type))),
    jsonArray(settlements.flatMap(({ events }) => events.map(({ data }) => jsonText(data)))),
    ...blobColumns(settlements),
  ];
}

/** The batch that signed the records, and the one that signed the manifests; each in the order of the settlements. */
function batchesByKey(
  settlements: readonly Settlement[],
  batches: readonly Batch[],
): readonly [Batch | undefined, Batch | undefined] {
  const records = settlements.reduce((count, settlement) => count + settlement.records.length, 0);
  const manifests = settlements.filter(({ artifact }) => artifact !== undefined).length;
  const [decisions, artifacts] = records > 0 ? batches : [undefined, batches[0]];
  if ((decisions?.size ?? 0) !== records || (artifacts?.size ?? 0) !== manifests) {
    throw new StepgateError("INTERNAL", { reason: "a batch does not fit its records" });
  }
  return [decisions, artifacts];
}

function endColumns(settlements: readonly Settlement[]): readonly SqlValue[] {
  const ends = settlements.map((settlement) => ("end" in settlement ? settlement.end : undefined));
  const all = <T>(of: (end: AttemptEnd) => T): readonly (T | undefined)[] => ends.map((end) => end && of(end));
  return [
    int4Array(all(({ attempt }) => attempt)),
    textArray(settlements.map((settlement, index) => ends[index]?.outcomeRecord ?? refusalRecord(settlement))),
    uuidArray(all(({ outputBlob }) => outputBlob)),
    textArray(all(({ outputDigest }) => outputDigest)),
    uuidArray(all(({ errorBlob }) => errorBlob)),
    uuidArray(all(({ checkpointBlob }) => checkpointBlob)),
    int8Array(all(({ actual }) => actual.tokens)),
    int8Array(all(({ actual }) => actual.usdMicros)),
    textArray(all(({ usageSource }) => usageSource)),
    textArray(all(({ provider }) => provider)),
    textArray(all(({ providerVersion }) => providerVersion)),
    textArray(all(({ isolation }) => isolation)),
    int4Array(all(({ toolEvents }) => toolEvents)),
  ];
}

function refusalRecord(settlement: Settlement): string | undefined {
  return settlement.kind === "refused" ? settlement.records[0]?.id : undefined;
}

function artifactColumns(settlements: readonly Settlement[], batch: Batch | undefined): readonly SqlValue[] {
  const artifacts = settlements.map(({ artifact }) => artifact);
  let leaves = 0;
  return [
    textArray(artifacts.map((artifact) => artifact?.id)),
    textArray(artifacts.map((artifact) => artifact && kindOf(artifact.metadata))),
    textArray(artifacts.map((artifact) => artifact?.mediaType)),
    jsonArray(artifacts.map((artifact) => artifact && jsonText(artifact.metadata))),
    byteaArray(artifacts.map((artifact) => artifact && Buffer.from(artifact.payload))),
    uuidArray(artifacts.map((artifact) => artifact && batch?.batchId)),
    int4Array(artifacts.map((artifact) => (artifact === undefined ? undefined : leaves++))),
  ];
}

function kindOf({ kind }: JsonObject): string | undefined {
  return typeof kind === "string" ? kind : undefined;
}

function recordColumns(settlements: readonly Settlement[], batch: Batch | undefined): readonly SqlValue[] {
  const records = settlements.flatMap((settlement) => settlement.records);
  return [
    int4Array(settlements.flatMap((settlement, index) => settlement.records.map(() => index + 1))),
    textArray(records.map(({ id }) => id)),
    textArray(records.map(({ kind }) => kind)),
    textArray(records.map(({ statement }) => statement)),
    uuidArray(records.map(() => batch?.batchId)),
    int4Array(records.map((_, leaf) => leaf)),
  ];
}

/** Members of the type `stepgate.settlement`, without those that are columns. */
function rareText(settlement: Settlement): string | undefined {
  const { redaction } = settlement;
  const rare = kindItem(settlement);
  if (rare === undefined && redaction === undefined) return undefined;
  return jsonText({
    ...rare,
    ...("end" in settlement ? { is_lost: settlement.end.isLost } : {}),
    redaction: redaction && { old_blob: redaction.oldBlob, new_blob: redaction.newBlob },
  });
}

function kindItem(settlement: Settlement): object | undefined {
  switch (settlement.kind) {
    case "succeeded":
      return undefined;
    case "failed":
    case "cancelled":
    case "refused":
      return { error_kind: settlement.errorKind, reasons: settlement.reasons };
    case "retry":
      return { error_kind: settlement.errorKind, not_before_ms: settlement.notBeforeMs };
    case "held": {
      const { approvalId, holdRecord, shownDigest, shownBlob, role, expiresAtMs } = settlement.approval;
      return {
        approval: {
          approval_id: approvalId,
          hold_record: holdRecord,
          shown_digest: shownDigest,
          shown_blob: shownBlob,
          role,
          expires_at_ms: expiresAtMs,
        },
      };
    }
    case "paused":
      return { breakpoint: { ...settlement.breakpoint, event: settlement.event } };
    case "deferred":
      return { delay_ms: settlement.delayMs, defer_reason: settlement.reason, deferred_by: settlement.of };
  }
}
