/**
 * How long packs want a run to be kept: the longest `retain` obligation (spec 04). Not here: keeping it (storage/).
 */
import type { Obligation } from "../core/decision.ts";

/** A hundred years: what anybody could mean, and what dates can be reckoned with. */
const MOST_DAYS = 36_500;

/** Days after the run's end; 0 where nothing asks for more than the tenant's own. */
export function retainDays(obligations: readonly Pick<Obligation, "type" | "properties">[]): number {
  let most = 0;
  for (const { type, properties } of obligations) {
    const days = type === "retain" ? properties["days"] : undefined;
    if (typeof days === "number") most = Math.max(most, days);
  }
  return Math.min(most, MOST_DAYS);
}
