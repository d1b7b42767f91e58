/**
 * Guarded transports that are kept: one for each tenant and list of private hosts, so that no connection opened under one
 * list serves another.
 *
 * Here: which are kept, and that the one unused longest goes first. Not here: what one lets through (guard.ts).
 */
import { canonicalJson } from "../../core/canonical-json.ts";
import type { TenantUid } from "../../core/ids.ts";
import { type GuardDeps, type GuardedTransport, makeGuardedTransport } from "./guard.ts";

const MAX_TRANSPORTS = 64;

export interface Transports {
  readonly of: (tenantUid: TenantUid, allowPrivate: readonly string[]) => GuardedTransport;
  /** Closes idle connections of all of them; running requests end first. */
  readonly close: () => Promise<void>;
}

export function makeTransports(deps: Omit<GuardDeps, "allowPrivate">): Transports {
  const transports = new Map<string, GuardedTransport>();
  return {
    of: (tenantUid, allowPrivate) => {
      const key = canonicalJson([tenantUid, ...allowPrivate]);
      const transport = transports.get(key) ?? makeGuardedTransport({ ...deps, allowPrivate });
      // the map is in order of use: whoever was used longest ago goes first
      transports.delete(key);
      transports.set(key, transport);
      const [oldest] = transports;
      if (transports.size > MAX_TRANSPORTS && oldest !== undefined) {
        transports.delete(oldest[0]);
        void oldest[1].close();
      }
      return transport;
    },
    close: async () => {
      await Promise.all([...transports.values()].map((transport) => transport.close()));
    },
  };
}
