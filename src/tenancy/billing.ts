/**
 * Whether the bill of each day equals the ledger of that day: the bill is a sum kept while work ends, so it can be added up
 * again from the rows that it came from (spec 03).
 *
 * In: a tenant and days. Out: both sums per day, and whether they are equal. Not here: mending a bill; a difference is for
 * people to look at.
 */
import { StepgateError } from "../core/errors.ts";
import type { TenantUid } from "../core/ids.ts";
import type { BilledSum, BillingStore } from "./ports.ts";

const DAY_MS = 86_400_000;
/** A year and a day: a longer look is several. */
const MAX_DAYS = 367;
const DEFAULT_DAYS = 31;

export interface BillingDeps {
  readonly store: BillingStore;
  readonly nowMs: () => number;
}

/**
 * Makes the check. `from` and `to` are days in UTC, both included; without them the last 31 days.
 *
 * @throws {StepgateError} FIELD_INVALID for a day that is none, or too many of them.
 */
export function makeBilling({ store, nowMs }: BillingDeps) {
  return async ({
    tenantUid,
    from,
    to,
  }: {
    readonly tenantUid: TenantUid;
    readonly from: string | undefined;
    readonly to: string | undefined;
  }) => {
    const toMs = to === undefined ? Math.floor(nowMs() / DAY_MS) * DAY_MS : dayMs("to", to);
    const fromMs = from === undefined ? toMs - (DEFAULT_DAYS - 1) * DAY_MS : dayMs("from", from);
    if (fromMs > toMs || toMs - fromMs >= MAX_DAYS * DAY_MS)
      throw new StepgateError("FIELD_INVALID", { field: "/from", reason: "not 1 to 367 days before `to`" });
    const wholeFrom = await store.wholeFrom(tenantUid);
    // of days before, rows have gone with the runs that nobody keeps any more
    const firstDay = wholeFrom !== undefined && wholeFrom > dayOf(fromMs) ? wholeFrom : dayOf(fromMs);
    const rows = await store.days(tenantUid, firstDay, dayOf(toMs + DAY_MS));
    const days = rows.map(({ day, billed, ledger }) => ({
      day,
      billed: sum(billed),
      ledger: sum(ledger),
      is_equal:
        billed.attempts === ledger.attempts && billed.tokens === ledger.tokens && billed.usdMicros === ledger.usdMicros,
    }));
    return {
      from: dayOf(fromMs),
      to: dayOf(toMs),
      ...(wholeFrom === undefined ? {} : { ledger_from: wholeFrom }),
      is_equal: days.every((day) => day.is_equal),
      days,
    };
  };
}

function sum({ attempts, tokens, usdMicros }: BilledSum) {
  return { attempts, tokens, usd_micros: usdMicros };
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

function dayMs(field: string, text: string): number {
  const ms = Date.parse(`${text}T00:00:00Z`);
  if (Number.isNaN(ms) || dayOf(ms) !== text)
    throw new StepgateError("FIELD_INVALID", { field: `/${field}`, reason: "no day" });
  return ms;
}
