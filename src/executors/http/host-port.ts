/**
 * Hosts as settings and scopes name them: `host` or `host:port`, and which URL is covered by which.
 *
 * A host without a port means the two ports of the web, 80 and 443, and no other. Nothing is resolved, nothing is a
 * pattern. Not here: addresses (addresses.ts).
 */
const HOST_PORT = /^(\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?)(?::([1-9][0-9]{0,4}))?$/;
const DEFAULT_PORTS: Readonly<Record<string, number>> = { "http:": 80, "https:": 443 };

/** Settings accept what this pattern accepts; what is not a URL's own spelling of a host covers no URL. */
export const HOST_PORT_PATTERN = HOST_PORT.source;

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Host and port of a URL, the host as a URL writes it, without a trailing dot. */
export function hostPortOf(url: URL): HostPort {
  const port = url.port === "" ? (DEFAULT_PORTS[url.protocol] ?? 0) : Number(url.port);
  return { host: url.hostname.replace(/\.$/, ""), port };
}

/** Whether one of the entries covers this host and port. */
export function isListed({ host, port }: HostPort, entries: readonly string[]): boolean {
  return entries.some((entry) => {
    const [, name, number] = HOST_PORT.exec(entry) ?? [];
    if (name !== host) return false;
    return number === undefined ? port === 80 || port === 443 : Number(number) === port;
  });
}

/** Whether a token's egress covers it; there a host without a port covers every port (spec 04). */
export function isGranted({ host, port }: HostPort, egress: readonly string[]): boolean {
  return egress.includes(host) || egress.includes(`${host}:${port}`);
}

/** Always with its port. */
export function hostPortText({ host, port }: HostPort): string {
  return `${host}:${port}`;
}
