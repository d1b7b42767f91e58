/**
 * The adapters that come with the product: one line each.
 */
import type { ExecutorAdapter } from "./contract.ts";
import { makeNoopAdapter } from "./noop/noop-adapter.ts";
import type { AdapterDeps } from "./ports.ts";

export function makeAdapters(deps: AdapterDeps): readonly ExecutorAdapter[] {
  return [makeNoopAdapter(deps)];
}
