/**
 * The audit chain as rows: read in order, never written from here.
 */
import type { TenantUid } from "../core/ids.ts";
import type { AuditHead, AuditRow } from "../evidence/audit-chain.ts";
import type { AuditStore } from "../tenancy/audit.ts";
import type { TenantPool } from "./pool.ts";
import { LIST_AUDIT, READ_AUDIT_HEAD } from "./statements/audit.ts";

interface AuditColumns {
  readonly seq: number;
  readonly actor: string;
  readonly action: string;
  readonly resource: string;
  readonly at_ms: number;
  readonly prev_hash: string;
  readonly hash: string;
}

export function makeAuditStore(pool: TenantPool): AuditStore {
  return {
    rows: async (tenantUid: TenantUid, afterSeq: number, limit: number) => {
      const { rows } = await pool.within(tenantUid).query<AuditColumns>(LIST_AUDIT, [tenantUid, afterSeq, limit]);
      return rows.map(({ at_ms: atMs, prev_hash: prevHash, ...row }): AuditRow => ({ ...row, atMs, prevHash }));
    },
    head: async (tenantUid: TenantUid) =>
      (await pool.within(tenantUid).query<AuditHead>(READ_AUDIT_HEAD, [tenantUid])).rows[0],
  };
}
