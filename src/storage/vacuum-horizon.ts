/**
 * Who keeps vacuum from removing dead rows, and for how long: one old transaction anywhere makes the queue's tables grow, and
 * every claim slower.
 *
 * In: a pool of the configured user. Out: the one that has held it back longest, with what to do. Not here: how often it is
 * looked at and who is told (watch-vacuum.ts).
 */
import type { Connection } from "./pool.ts";
import { FIND_VACUUM_HOLDERS } from "./statements/vacuum.ts";

export interface VacuumHolder {
  readonly kind: "session" | "prepared" | "slot";
  /** A process id, the name of a prepared transaction, the name of a slot. */
  readonly name: string;
  readonly application: string;
  readonly owner: string;
  readonly state: string;
  readonly heldMs: number;
}

interface HolderColumns {
  readonly kind: VacuumHolder["kind"];
  readonly name: string;
  readonly application: string;
  readonly owner: string;
  readonly state: string;
  readonly xmin: string;
  /** Null for a slot, which does not say since when. */
  readonly held_ms: number | null;
}

/** Makes the look; it remembers since when a slot has stood where it stands. */
export function makeFindVacuumHolder(pool: Connection, monotonicMs: () => number) {
  let slots = new Map<string, { readonly xmin: string; readonly sinceMs: number }>();
  return async (): Promise<VacuumHolder | undefined> => {
    const { rows } = await pool.query<HolderColumns>(FIND_VACUUM_HOLDERS, []);
    const nowMs = monotonicMs();
    const seen = new Map<string, { readonly xmin: string; readonly sinceMs: number }>();
    let longest: VacuumHolder | undefined;
    for (const { xmin, held_ms: heldMs, ...holder } of rows) {
      const before = slots.get(holder.name);
      const sinceMs = before?.xmin === xmin ? before.sinceMs : nowMs;
      if (holder.kind === "slot") seen.set(holder.name, { xmin, sinceMs });
      const found = { ...holder, heldMs: heldMs ?? nowMs - sinceMs };
      if (longest === undefined || found.heldMs > longest.heldMs) longest = found;
    }
    slots = seen;
    return longest;
  };
}

/** What ends it, for people who may see names. */
export function adviceOnHolder({ kind, name }: Pick<VacuumHolder, "kind" | "name">): string {
  switch (kind) {
    case "session":
      return `end it: select pg_terminate_backend(${name}); and bound others: idle_in_transaction_session_timeout`;
    case "prepared":
      return `commit it or give it up: rollback prepared '${name.replaceAll("'", "''")}'`;
    case "slot":
      return `let its reader go on, or give it up: select pg_drop_replication_slot('${name.replaceAll("'", "''")}')`;
  }
}

/** Who it is, in a few words: "session 4711 of psql (alice, idle in transaction)". */
export function nameHolder({ kind, name, application, owner, state }: VacuumHolder): string {
  const of = application === "" ? "" : ` of ${application}`;
  const about = [owner, state].filter((word) => word !== "").join(", ");
  return `${kind === "slot" ? "replication slot" : kind === "prepared" ? "prepared transaction" : "session"} ${name}${of}${about === "" ? "" : ` (${about})`}`;
}
