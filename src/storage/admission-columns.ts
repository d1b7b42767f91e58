/**
 * A batch of admissions as the columns of `admit_steps` (functions/admit.sql), in its order.
 */
import type { Admission } from "../gate/settlement.ts";
import { boolArray, int4Array, int8Array, jsonArray, jsonbArray, textArray, uuidArray } from "./binary-array.ts";
import { blobColumns } from "./blob-columns.ts";
import { jsonText } from "./json-rows.ts";
import type { SqlValue } from "./prepare.ts";

export function admissionColumns(admissions: readonly Admission[]): readonly SqlValue[] {
  const all = <T>(of: (admission: Admission) => T): readonly T[] => admissions.map(of);
  return [
    uuidArray(all(({ address }) => address.tenantUid)),
    uuidArray(all(({ address }) => address.runUid)),
    textArray(all(({ address }) => address.stepId)),
    int8Array(all(({ address }) => address.leaseEpoch)),
    int4Array(all(({ attempt }) => attempt)),
    int8Array(all(({ authorityVersion }) => authorityVersion)),
    textArray(all(({ callerKeyId }) => callerKeyId)),
    int8Array(all(({ request }) => request.tokens)),
    int8Array(all(({ request }) => request.usdMicros)),
    boolArray(all(({ meters }) => meters.includes("tokens"))),
    boolArray(all(({ meters }) => meters.includes("usd_micros"))),
    uuidArray(all(({ approvalId }) => approvalId)),
    textArray(all(({ record }) => record.id)),
    textArray(all(({ record }) => record.statement)),
    textArray(all(({ jti }) => jti)),
    jsonArray(all(({ started }) => jsonText(started))),
    textArray(all(({ started }) => concurrencyKey(started))),
    jsonArray(all(({ evaluations }) => jsonText(evaluations.body))),
    uuidArray(all(({ evaluations }) => evaluations.detailsBlob)),
    uuidArray(all(({ evaluations }) => evaluations.inputBlob)),
    jsonbArray(all(({ redaction }) => redactionText(redaction))),
    ...blobColumns(admissions),
  ];
}

function concurrencyKey({ concurrency_key: key }: Admission["started"]): string | undefined {
  return typeof key === "string" ? key : undefined;
}

function redactionText(redaction: Admission["redaction"]): string | undefined {
  if (redaction === undefined) return undefined;
  return jsonText({ old_blob: redaction.oldBlob, new_blob: redaction.newBlob, event: redaction.event });
}
