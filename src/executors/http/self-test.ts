/**
 * Shows that the guard stands: a listener of our own on a loopback address is not reached, and is reached where it was
 * allowed by name (the negative control), but not when it is one of our own listeners.
 *
 * In: how names are resolved, how a transport is made. Out: one line per check. The level is `none`: the adapter runs in our own process.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { IsolationReport } from "../contract.ts";
import type { GuardDeps, GuardedTransport } from "./guard.ts";

type Check = IsolationReport["checks"][number];

// well above what a loaded machine needs: without proof no request is sent
const TIMEOUT_MS = 10_000;

export interface GuardTestDeps extends Pick<GuardDeps, "resolve"> {
  readonly openTransport: (deps: GuardDeps) => GuardedTransport;
}

/** Runs three requests against a server of its own; closed when it returns. */
export async function testHttpGuard({ resolve, openTransport }: GuardTestDeps): Promise<IsolationReport> {
  const server = createServer((_request, response) => response.end("reached"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const own = `127.0.0.1:${port}`;
    const ask = (name: string, isWanted: boolean, allowPrivate: readonly string[], forbidden: boolean) =>
      check(
        { name, isWanted, port },
        openTransport({
          resolve,
          allowPrivate,
          forbiddenAddresses: () => (forbidden ? [{ address: "127.0.0.1", port }] : []),
        }),
      );
    const checks = await Promise.all([
      ask("a loopback address is refused", false, [], false),
      ask("control: reached where it is allowed by name", true, [own], false),
      ask("our own listener is refused although it is allowed by name", false, [own], true),
    ]);
    return { level: "none", checks, advice: undefined };
  } finally {
    server.close();
  }
}

async function check(
  { name, isWanted, port }: { readonly name: string; readonly isWanted: boolean; readonly port: number },
  transport: GuardedTransport,
): Promise<Check> {
  const result = await transport.request(
    {
      method: "GET",
      url: new URL(`http://127.0.0.1:${port}/`),
      headers: {},
      body: undefined,
      mayReach: () => true,
      mayRead: () => true,
      maxBytes: 64,
      timeoutMs: TIMEOUT_MS,
      maxBodyMs: TIMEOUT_MS,
      maxRedirects: 0,
    },
    new AbortController().signal,
  );
  await transport.close();
  const detail = result.ok ? `status ${result.response.status}` : result.fault;
  return { name, held: isWanted ? result.ok : detail === "egress_refused", detail };
}
