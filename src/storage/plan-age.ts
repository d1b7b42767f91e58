/**
 * Keeps the plans of a session younger than the tables they were made for.
 *
 * A server keeps the plan of a prepared statement, and of each statement of a function, until a table's statistics change.
 * One that was made while a table was empty walks all of its rows for each lookup, and the server gathers statistics only
 * every 10 to 60 seconds. Tables grow with time, so plans are made anew when a session has lived about three times as long,
 * which bounds what a plan can be wrong by, and at least once a minute: those of a claim, an admission and a settlement
 * take 17 ms to make, five times as long as it takes to use them for one step. Not here: how sessions are opened (pool.ts).
 */
import type pg from "pg";

const FIRST_AGE_MS = 1000;
const MAX_AGE_MS = 60_000;
const GROWTH = 3;

/** Makes what is called before a session is used; it costs a round trip when the session's plans are due, else nothing. */
export function makePlanRenewal(nowMs: () => number): (client: pg.ClientBase) => Promise<void> {
  const due = new WeakMap<pg.ClientBase, { readonly atMs: number; readonly ageMs: number }>();
  return async (client) => {
    const known = due.get(client) ?? { atMs: nowMs() + FIRST_AGE_MS, ageMs: FIRST_AGE_MS };
    const isDue = nowMs() >= known.atMs;
    const ageMs = isDue ? Math.min(known.ageMs * GROWTH, MAX_AGE_MS) : known.ageMs;
    due.set(client, isDue ? { atMs: nowMs() + ageMs, ageMs } : known);
    if (isDue) await client.query("discard plans");
  };
}
