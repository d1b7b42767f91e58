/**
 * The adapters that come with the product: one line each.
 */
import { lookup } from "node:dns/promises";
import { tmpdir } from "node:os";
import type { Clock } from "../core/clock.ts";
import type { ExecutorAdapter } from "./contract.ts";
import type { ResolvedAddress, SocketAddress } from "./http/checked-connect.ts";
import { makeGuardedTransport } from "./http/guard.ts";
import { makeHttpAdapter } from "./http/http-adapter.ts";
import { testHttpGuard } from "./http/self-test.ts";
import { makeNoopAdapter } from "./noop/noop-adapter.ts";
import type { AdapterDeps } from "./ports.ts";
import { surveyMachine } from "./process/machine.ts";
import { makeProcessAdapter } from "./process/process-adapter.ts";
import { makeToolAdapter } from "./tool/tool-adapter.ts";

export interface AdaptersDeps extends AdapterDeps {
  readonly clock: Clock;
  /** Where no step may connect, whatever a tenant allows: our own listeners, the database (spec 09). */
  readonly forbiddenAddresses: () => readonly SocketAddress[];
}

/** One uid per program that runs at once, where the service is root; no other account has one of these. */
const PROCESS_SLOTS = { firstUid: 61_000, count: 64 };
/** Between the polite signal and the sure one. */
const PROCESS_GRACE_MS = 500;

export function makeAdapters(deps: AdaptersDeps): readonly ExecutorAdapter[] {
  return [
    makeNoopAdapter(deps),
    makeProcessAdapter({
      ...deps,
      survey: surveyMachine,
      slots: PROCESS_SLOTS,
      graceMs: PROCESS_GRACE_MS,
      scratchFolder: tmpdir(),
    }),
    makeHttpAdapter({
      ...deps,
      resolve: resolveAll,
      proveGuard: () => testHttpGuard({ resolve: resolveAll, openTransport: makeGuardedTransport }),
    }),
    makeToolAdapter(),
  ];
}

/** Every address of a name, in the resolver's order: the guard refuses a name with a single bad one. */
export async function resolveAll(hostname: string): Promise<readonly ResolvedAddress[]> {
  const found = await lookup(hostname, { all: true, verbatim: true });
  return found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }));
}
