/**
 * What a tenant keeps, for people who must know: by window of history, how many runs, why they stay, when they go.
 *
 * In: the store. Out: the view. Not here: removing anything (scheduler/retention.ts).
 */
import type { TenantUid } from "../core/ids.ts";
import type { RetentionStore } from "./ports.ts";

/** Makes the view; `isOn` is the instance's setting. */
export function makeShowRetention({ store, isOn }: { readonly store: RetentionStore; readonly isOn: boolean }) {
  return async (tenantUid: TenantUid) => {
    const [kept, windows] = await Promise.all([store.summary(tenantUid), store.windows(tenantUid)]);
    return {
      is_on: isOn,
      retention_days: kept.retentionDays,
      decision_input_days: kept.decisionInputDays,
      retired: { runs: kept.retiredRuns, ...timeOf("last_at", kept.retiredAtMs) },
      windows: windows.map(({ name, endsAtMs, firstDueAtMs, lastDueAtMs, ...counts }) => ({
        ...(name === undefined ? {} : { name }),
        ...timeOf("ends_at", endsAtMs),
        ...counts,
        ...timeOf("first_due_at", firstDueAtMs),
        ...timeOf("last_due_at", lastDueAtMs),
      })),
    };
  };
}

function timeOf<Name extends string>(name: Name, ms: number | undefined): Partial<Record<Name, string>> {
  return ms === undefined ? {} : ({ [name]: new Date(ms).toISOString() } as Record<Name, string>);
}
