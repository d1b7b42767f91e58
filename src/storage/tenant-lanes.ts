/**
 * One queue per tenant for what is asked of the database together; a tenant's is gone when nothing of it waits.
 *
 * Not here: how a batch forms (scheduler/batcher.ts), what is asked (the stores).
 */
import type { TenantUid } from "../core/ids.ts";

type Add<Item, Result> = (item: Item) => Promise<Result>;

/** Makes what adds an item to its tenant's queue, which `open` makes when it is first needed. */
export function makeTenantLanes<Item, Result>(
  open: (tenantUid: TenantUid) => Add<Item, Result>,
): (tenantUid: TenantUid, item: Item) => Promise<Result> {
  const lanes = new Map<TenantUid, { readonly add: Add<Item, Result>; waiting: number }>();
  return async (tenantUid, item) => {
    const lane = lanes.get(tenantUid) ?? { add: open(tenantUid), waiting: 0 };
    lanes.set(tenantUid, lane);
    lane.waiting += 1;
    try {
      return await lane.add(item);
    } finally {
      lane.waiting -= 1;
      if (lane.waiting === 0) lanes.delete(tenantUid);
    }
  };
}
