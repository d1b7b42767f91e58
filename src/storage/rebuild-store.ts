/**
 * Replaces the projection of one run with rows made of its log (functions/rebuild.sql), whole or not at all.
 */
import { StepgateError } from "../core/errors.ts";
import type { RebuildStore } from "../runs/ports.ts";
import { jsonText } from "./json-rows.ts";
import type { TenantPool } from "./pool.ts";
import { REBUILD_RUN } from "./statements/runs.ts";

export function makeRebuildStore(pool: TenantPool): RebuildStore {
  return {
    replaceProjection: async ({ tenantUid, runUid, expectedSeq, rows, owed, actor }) => {
      const answer = await pool
        .within(tenantUid)
        .query<{ outcome: string }>(REBUILD_RUN, [
          tenantUid,
          runUid,
          expectedSeq,
          jsonText(rows),
          jsonText(owed),
          actor,
        ]);
      const outcome = answer.rows[0]?.outcome;
      if (outcome !== "rebuilt" && outcome !== "conflict" && outcome !== "missing")
        throw new StepgateError("STORE_REFUSED", { reason: "unknown rebuild outcome" });
      return outcome;
    },
  };
}
