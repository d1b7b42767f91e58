/**
 * Who calls: holders of keys, and where they act.
 *
 * What holds of every port: ../ports.ts.
 */
import type { TenantUid } from "../../core/ids.ts";
import type { Principal } from "../../core/tenant.ts";
import type { Role } from "../roles.ts";

export interface TenantRef {
  readonly tenantUid: TenantUid;
  readonly tenantId: string;
  /** Of what decisions in this tenant rest on, as read with the credential. */
  readonly authorityVersion: number;
}

/** A valid key's holder. */
export interface KeyHolder extends Principal {
  readonly roles: readonly Role[];
  /** The key's tenant; `all` for keys of the instance. */
  readonly tenant: TenantRef | "all";
}

/** A key's holder acting in one tenant. */
export interface Caller extends Principal, TenantRef {
  readonly roles: readonly Role[];
  /** The key is the instance's, and named this tenant (auth.ts). */
  readonly isInstanceWide: boolean;
}

export interface Authenticator {
  /**
   * Whose key this is; undefined for every key that does not count now, without a difference between unknown, wrong,
   * expired and revoked. Compares in constant time (spec 09). Called for every request, and every 60 s for a stream.
   */
  readonly authenticate: (bearer: string) => Promise<KeyHolder | undefined>;
  /** The tenant of this name. Asked only for keys of the instance. */
  readonly findTenant: (tenantId: string) => Promise<TenantRef | undefined>;
}
