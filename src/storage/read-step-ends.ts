/**
 * The ends of single steps, for those who wait for them: what is asked for together is read together.
 */
import type { RunUid, TenantUid } from "../core/ids.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { parseJson } from "../core/parse-json.ts";
import type { RunStore, StepEndRow } from "../runs/ports.ts";
import { makeBatcher } from "../scheduler/batcher.ts";
import type { TenantPool } from "./pool.ts";
import { READ_STEP_ENDS } from "./statements/runs.ts";
import { type StepColumns, stepRow } from "./step-rows.ts";
import { makeTenantLanes } from "./tenant-lanes.ts";

const MAX_STEPS_AT_ONCE = 64;
/** Longer than any bound of the pool. */
const ANSWER_MAX_MS = 120_000;

/** Ends of one tenant's steps that are asked for while a reading of it is under way are read together. */
export function readEndsTogether(pool: TenantPool): RunStore["stepEnd"] {
  const lanes = makeTenantLanes((tenantUid) => {
    const database = pool.within(tenantUid);
    return makeBatcher<RunUid, StepEndRow | undefined>({
      commit: async (runs) => {
        const { rows } = await database.query<StepEndColumns>(READ_STEP_ENDS, [tenantUid, [...new Set(runs)]]);
        const ends = new Map(rows.map((row) => [row.run_uid, stepEndRow(tenantUid, row)]));
        return runs.map((run) => ends.get(run));
      },
      commitMaxMs: ANSWER_MAX_MS,
      maxItems: MAX_STEPS_AT_ONCE,
      maxInFlight: 1,
      canSplit: () => false,
    });
  });
  return lanes;
}

interface StepEndColumns extends StepColumns {
  readonly run_uid: RunUid;
  /** Each the text of an array. */
  readonly evaluations: readonly string[];
  readonly blob_step: string | null;
  readonly field: string | null;
  readonly key_id: string | null;
  readonly wrapped_key: Uint8Array | null;
  readonly sealed: Uint8Array | null;
}

function stepEndRow(tenantUid: TenantUid, row: StepEndColumns): StepEndRow {
  const { output_blob: blobId, blob_step: stepId, field, key_id: keyId, wrapped_key: wrappedKey, sealed } = row;
  const isKept =
    blobId !== null && stepId !== null && field !== null && keyId !== null && wrappedKey !== null && sealed !== null;
  return {
    step: stepRow(row),
    evaluations: row.evaluations.flatMap(objectsIn),
    output: isKept ? { tenantUid, blobId, runUid: row.run_uid, stepId, field, keyId, wrappedKey, sealed } : undefined,
  };
}

function objectsIn(body: string): readonly JsonObject[] {
  const value = parseJson(body);
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}
