/**
 * The two transactions of the gate as calls of one function each (functions/admit.sql, functions/settle.sql), for a whole batch.
 *
 * A commit in doubt is read back by the ids of its records, made here: what is there was written whole. Where none is, the
 * batch failed like any other: nothing started, and a result that is at hand is settled again, never made again. Not here:
 * the columns of a batch (admission-columns.ts, settlement-columns.ts), claiming (claim-store.ts).
 */

import { StepgateError } from "../core/errors.ts";
import type { RecordId, TenantUid } from "../core/ids.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import type { RunState } from "../core/state.ts";
import type { Batch } from "../evidence/batch.ts";
import type { BudgetSide, BudgetView } from "../gate/leased-step.ts";
import type { AdmitOutcome, PipelineStore, SettleOutcome } from "../gate/ports.ts";
import type { Settlement } from "../gate/settlement.ts";
import { admissionColumns } from "./admission-columns.ts";
import { isInDoubt } from "./errors.ts";
import { jsonObject, jsonText } from "./json-rows.ts";
import type { Pool } from "./pool.ts";
import { settlementColumns } from "./settlement-columns.ts";
import { ADMIT_STEPS, FIND_RECORDS, SETTLE_STEPS } from "./statements/pipeline.ts";
import { RETAIN_RUNS } from "./statements/retention.ts";

export interface PipelineStoreDeps {
  readonly pool: Pool;
  readonly workerId: string;
}

export function makePipelineStore({ pool, workerId }: PipelineStoreDeps): PipelineStore {
  return {
    retain: async (runs) => {
      await pool.query(RETAIN_RUNS, [
        runs.map(({ tenantUid }) => tenantUid),
        runs.map(({ runUid }) => runUid),
        runs.map(({ days }) => days),
      ]);
    },
    admit: async (admissions, batch) => {
      try {
        const { rows } = await pool
          .lane("admit")
          .query<AdmitRow>(ADMIT_STEPS, [workerId, jsonText(batchItem(batch)), ...admissionColumns(admissions)]);
        return rows.map(admitOutcome);
      } catch (caught) {
        if (!isInDoubt(caught)) throw caught;
        const committed = await committedRecords(
          pool,
          admissions.map(({ address, record }) => ({ tenantUid: address.tenantUid, recordId: record.id })),
        );
        if (committed.size === 0) throw caught;
        // what was turned away did not start, and may be claimed again
        return admissions.map(({ record }) =>
          committed.has(record.id) ? { kind: "started", budget: undefined } : { kind: "stale" },
        );
      }
    },
    settle: async (settlements, batches, isReaping) => {
      const columns = settlementColumns(settlements, batches);
      const owner = settlements[0]?.kind !== undefined && isReaping ? ownerOf(settlements) : workerId;
      try {
        const { rows } = await pool
          .lane("settle")
          .query<SettleRow>(SETTLE_STEPS, [owner, isReaping, jsonText(batches.map(batchItem)), ...columns]);
        return rows.map(
          (row): SettleOutcome => ({ isSettled: row.outcome === "settled", runStatus: row.run_status ?? undefined }),
        );
      } catch (caught) {
        const written = settlements.flatMap(({ address, records }) =>
          records.map(({ id }) => ({ tenantUid: address.tenantUid, recordId: id })),
        );
        if (!isInDoubt(caught) || written.length === 0) throw caught;
        const committed = await committedRecords(pool, written);
        if (committed.size === 0) throw caught;
        return settlements.map(({ records }) => ({
          isSettled: records.some(({ id }) => committed.has(id)),
          runStatus: undefined,
        }));
      }
    },
  };
}

interface AdmitRow {
  readonly ordinal: number;
  readonly outcome: AdmitOutcome["kind"];
  readonly detail: string | null;
}

interface SettleRow {
  readonly ordinal: number;
  readonly outcome: string;
  readonly run_status: RunState | null;
}

function admitOutcome({ outcome, detail }: AdmitRow): AdmitOutcome {
  switch (outcome) {
    case "started":
      return { kind: "started", budget: detail === null ? undefined : budgetOf(jsonObject(detail)) };
    case "stale":
    case "changed":
    case "run_stopped":
    case "caller_revoked":
    case "parallel_wait":
      return { kind: outcome };
    case "concurrency_wait":
    case "quota_wait":
    case "quota_exceeded":
    case "budget_exceeded":
      return { kind: outcome, detail: detail === null ? {} : jsonObject(detail) };
    default:
      throw new StepgateError("STORE_REFUSED", { reason: "unknown admission outcome" });
  }
}

function budgetOf({ tokens, usd_micros: usdMicros }: JsonObject): BudgetView {
  return { tokens: sideOf(tokens), usdMicros: sideOf(usdMicros) };
}

function sideOf(side: JsonValue | undefined): BudgetSide {
  const { limit, used, reserved } = isJsonObject(side) ? side : {};
  if (typeof used !== "number" || typeof reserved !== "number")
    throw new StepgateError("STORE_REFUSED", { reason: "unknown budget" });
  return { limit: typeof limit === "number" ? limit : undefined, used, reserved };
}

/** Which of these records are there: their ids were made here, so a commit in doubt can be read back. */
async function committedRecords(
  pool: Pool,
  written: readonly { readonly tenantUid: TenantUid; readonly recordId: RecordId }[],
): Promise<ReadonlySet<string>> {
  const { rows } = await pool.query<{ record_id: string }>(FIND_RECORDS, [
    written.map(({ tenantUid }) => tenantUid),
    written.map(({ recordId }) => recordId),
  ]);
  return new Set(rows.map(({ record_id }) => record_id));
}

function ownerOf(settlements: readonly Settlement[]): string {
  const [first] = settlements;
  const owner = first?.kind === "retry" || first?.kind === "failed" ? first.reapedFrom : undefined;
  if (owner === undefined) throw new StepgateError("INTERNAL", { reason: "reaping without the dead worker's id" });
  return owner;
}

/** A signed batch as `insert_batch` (functions/batches.sql) reads it. */
export function batchItem(batch: Batch): JsonObject {
  return {
    batch_id: batch.batchId,
    kid: batch.kid,
    size: batch.size,
    leaves: Buffer.from(batch.leaves).toString("base64"),
    statement: batch.statement,
    signature: Buffer.from(batch.signature).toString("base64"),
  };
}
