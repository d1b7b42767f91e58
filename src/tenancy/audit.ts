/**
 * What was done in a tenant, by page, for people and for whoever checks the chain without us.
 *
 * In: the store. Out: pages in the order of the chain, with its head. Not here: checking it (evidence/audit-chain.ts).
 */
import { StepgateError } from "../core/errors.ts";
import type { TenantUid } from "../core/ids.ts";
import { pageOfRows } from "../core/page-of-rows.ts";

interface Entry {
  readonly seq: number;
  readonly actor: string;
  readonly action: string;
  readonly resource: string;
  readonly atMs: number;
  readonly prevHash: string;
  readonly hash: string;
}

export interface AuditStore {
  /** Up to `limit` rows after `afterSeq`, in order. */
  readonly rows: (tenantUid: TenantUid, afterSeq: number, limit: number) => Promise<readonly Entry[]>;
  /** Undefined where nothing was done yet. */
  readonly head: (tenantUid: TenantUid) => Promise<Pick<Entry, "seq" | "hash"> | undefined>;
}

const NO_HASH = "00".repeat(32);

/** Lists the audit chain. @throws {StepgateError} FIELD_INVALID for a cursor it never gave. */
export function makeListAudit(store: AuditStore) {
  return async (page: {
    readonly tenantUid: TenantUid;
    readonly after: string | undefined;
    readonly limit: number;
  }) => {
    const { tenantUid, after = "0", limit } = page;
    if (!/^(?:0|[1-9][0-9]{0,15})$/.test(after))
      throw new StepgateError("FIELD_INVALID", { field: "/querystring/after" });
    // the head first: a row that is written meanwhile lies behind it and is not taken for one too many
    const head = (await store.head(tenantUid)) ?? { seq: 0, hash: NO_HASH };
    const read = (mostRows: number) => store.rows(tenantUid, Number(after), mostRows);
    const { rows, ...next } = await pageOfRows(limit, read, ({ seq }) => String(seq));
    return {
      items: rows.map(({ atMs, prevHash, ...row }) => ({
        ...row,
        at: new Date(atMs).toISOString(),
        prev_hash: prevHash,
      })),
      head,
      ...next,
    };
  };
}
