/**
 * The adapters that come with the product: one line each.
 */
import type { Clock } from "../core/clock.ts";
import type { ExecutorAdapter } from "./contract.ts";
import { makeNoop } from "./noop/noop.ts";

export interface AdapterDeps {
  readonly clock: Clock;
  readonly log: { readonly warn: (fields: object, message: string) => void };
  /** Addresses no step may reach, whatever a tenant allows: our own listeners, the database (spec 09). */
  readonly forbiddenAddresses: readonly string[];
}

export function makeAdapters(deps: AdapterDeps): readonly ExecutorAdapter[] {
  return [makeNoop(deps)];
}
