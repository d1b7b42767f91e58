/**
 * Connects only to addresses that were checked: the one that is checked is the one that is connected to, so that a name
 * cannot change its address in between.
 *
 * In: undici's wish to connect. Out: a socket, or EGRESS_REFUSED. Literal addresses, every answer of DNS and the peer of
 * the finished connection are judged. Not here: which names are allowed (guard.ts).
 */
import { isIP, type LookupFunction } from "node:net";
import { networkInterfaces } from "node:os";
import { buildConnector } from "undici";
import { StepgateError } from "../../core/errors.ts";
import { classifyAddress, normalizeAddress } from "./addresses.ts";
import { hostPortText } from "./host-port.ts";

export interface ResolvedAddress {
  readonly address: string;
  readonly family: number;
}

export interface SocketAddress {
  readonly address: string;
  readonly port: number;
}

export interface ConnectDeps {
  /** All addresses of a name; rejects when there are none. */
  readonly resolve: (hostname: string) => Promise<readonly ResolvedAddress[]>;
  /** Exact `host:port` entries behind which an address may be private. */
  readonly allowPrivate: readonly string[];
  /** Our own listeners and the database, as they are now; an address of all interfaces means each of this machine's. */
  readonly forbiddenAddresses: () => readonly SocketAddress[];
  readonly connectTimeoutMs: number;
}

const WILDCARDS: ReadonlySet<string | undefined> = new Set(["0.0.0.0", "0:0:0:0:0:0:0:0"]);

/** Makes the connector for an undici agent. It refuses with EGRESS_REFUSED, without a packet sent, except that the TLS handshake precedes the check of the peer. */
export function makeCheckedConnect(deps: ConnectDeps): buildConnector.connector {
  return (options, callback) => {
    const host = options.hostname.replace(/^\[|\]$/g, "");
    const port = Number(options.port || (options.protocol === "https:" ? 443 : 80));
    const isAllowed = (address: string) => mayConnect(deps, { host: options.hostname, address, port });
    const refused = () => new StepgateError("EGRESS_REFUSED", { host, port });
    // a literal address is never looked up, so the lookup below would not see it
    if (isIP(host) !== 0 && !isAllowed(host)) return callback(refused(), null);
    const connect = buildConnector({
      lookup: checkedLookup(deps.resolve, isAllowed, refused),
      timeout: deps.connectTimeoutMs,
      autoSelectFamily: true,
      allowH2: false,
    });
    connect(options, (error, socket) => {
      if (error !== null) return callback(error, null);
      if (socket.remoteAddress !== undefined && isAllowed(socket.remoteAddress)) return callback(null, socket);
      socket.destroy();
      return callback(refused(), null);
    });
  };
}

/** Refuses a name as soon as one of its addresses is not allowed: a mixed answer is an attack or a mistake. */
function checkedLookup(
  resolve: ConnectDeps["resolve"],
  isAllowed: (address: string) => boolean,
  refused: () => StepgateError,
): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname).then(
      (found) => {
        const addresses = found.map(({ address, family }) => ({ address, family }));
        const [first] = addresses;
        if (first === undefined || !addresses.every(({ address }) => isAllowed(address))) callback(refused(), "", 0);
        else if (options.all === true) callback(null, addresses);
        else callback(null, first.address, first.family);
      },
      (cause: NodeJS.ErrnoException) => callback(cause, "", 0),
    );
  };
}

function mayConnect(deps: ConnectDeps, { host, address, port }: SocketAddress & { readonly host: string }): boolean {
  if (isForbidden({ address, port }, deps.forbiddenAddresses())) return false;
  switch (classifyAddress(address)) {
    case "public":
      return true;
    case "private":
      return deps.allowPrivate.includes(hostPortText({ host: host.replace(/\.$/, ""), port }));
    case "forbidden":
      return false;
  }
}

function isForbidden({ address, port }: SocketAddress, forbidden: readonly SocketAddress[]): boolean {
  const wanted = normalizeAddress(address);
  return forbidden.some((entry) => {
    if (entry.port !== port) return false;
    const own = normalizeAddress(entry.address);
    return own === wanted || (WILDCARDS.has(own) && isOfThisMachine(wanted));
  });
}

function isOfThisMachine(address: string | undefined): boolean {
  if (address === undefined || address.startsWith("127.")) return true;
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return own.some((entry) => normalizeAddress(entry.address.replace(/%.*$/, "")) === address);
}
