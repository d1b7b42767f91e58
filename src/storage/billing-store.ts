/**
 * Bills as rows: what was billed and what the ledger says, from one snapshot.
 */
import type { BillingStore } from "../tenancy/ports.ts";
import type { TenantPool } from "./pool.ts";
import { READ_WHOLE_FROM, RECOMPUTE_BILLING } from "./statements/billing.ts";

interface DayColumns {
  readonly day: string;
  readonly billed_attempts: number;
  readonly billed_tokens: number;
  readonly billed_usd_micros: number;
  readonly ledger_attempts: number;
  readonly ledger_tokens: number;
  readonly ledger_usd_micros: number;
}

export function makeBillingStore(pool: TenantPool): BillingStore {
  return {
    wholeFrom: async (tenantUid) =>
      (await pool.within(tenantUid).query<{ day: string }>(READ_WHOLE_FROM, [tenantUid])).rows[0]?.day,
    days: async (tenantUid, fromDay, beforeDay) => {
      const { rows } = await pool
        .within(tenantUid)
        .query<DayColumns>(RECOMPUTE_BILLING, [tenantUid, fromDay, beforeDay]);
      return rows.map((row) => ({
        day: row.day,
        billed: { attempts: row.billed_attempts, tokens: row.billed_tokens, usdMicros: row.billed_usd_micros },
        ledger: { attempts: row.ledger_attempts, tokens: row.ledger_tokens, usdMicros: row.ledger_usd_micros },
      }));
    },
  };
}
