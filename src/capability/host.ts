/**
 * Hosts as scopes name them: `host` or `host:port`, and which of them covers which.
 *
 * A name without a port covers every port. Nothing is resolved and nothing is a pattern. Not here: addresses behind a
 * name and whether they are private (executors/).
 */
const MAX_HOST_LENGTH = 260;
const LABEL = "[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?";
const HOST = new RegExp(`^(\\[[0-9a-f:.]{2,45}\\]|${LABEL}(?:\\.${LABEL})*)(?::([1-9][0-9]{0,4}))?$`);

export interface HostPort {
  readonly host: string;
  /** Undefined is every port. */
  readonly port: number | undefined;
}

/** Reads `host` or `host:port`, in any case; undefined for anything else, such as a URL, a user part or a wildcard. */
export function readHost(text: string): HostPort | undefined {
  if (text.length > MAX_HOST_LENGTH) return undefined;
  const match = HOST.exec(text.toLowerCase());
  if (match?.[1] === undefined) return undefined;
  const port = match[2] === undefined ? undefined : Number(match[2]);
  return port !== undefined && port > 65_535 ? undefined : { host: match[1], port };
}

/** Whether one of `allowed` covers `wanted`; a text that is no host covers nothing and is covered by nothing. */
export function isHostCovered(wanted: string, allowed: readonly string[]): boolean {
  const host = readHost(wanted);
  return host !== undefined && allowed.some((text) => covers(readHost(text), host));
}

/** What both lists allow: of two entries for one host the narrower. */
export function intersectHosts(left: readonly string[], right: readonly string[]): readonly string[] {
  const inRight = left.filter((text) => isHostCovered(text, right));
  const inLeft = right.filter((text) => isHostCovered(text, left));
  return [...new Set([...inRight, ...inLeft].map((text) => text.toLowerCase()))];
}

function covers(allowed: HostPort | undefined, wanted: HostPort): boolean {
  return allowed?.host === wanted.host && (allowed.port === undefined || allowed.port === wanted.port);
}
