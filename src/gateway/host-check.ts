/**
 * Which Host and Origin headers are answered: the fence against pages that reach a local gateway by a name of their own.
 *
 * In: the settings. Out: a check. Without settings only loopback names and the address listened on are answered, and
 * no page at all. Not here: authentication (auth.ts).
 */
import type { IncomingHttpHeaders } from "node:http";
import { StepgateError } from "../core/errors.ts";

export interface HostSettings {
  /** `host` answers on every port, `host:port` on that one; lower-case. */
  readonly allowedHosts: readonly string[] | undefined;
  readonly allowedOrigins: readonly string[] | undefined;
  readonly listen: { readonly host: string };
}

const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"] as const;
const WILDCARDS: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

/** Makes the check. @throws {StepgateError} (the check) ORIGIN_REFUSED naming the header, never its value. */
export function makeHostCheck(settings: HostSettings): (headers: IncomingHttpHeaders) => void {
  const hosts = new Set(settings.allowedHosts ?? defaultHosts(settings.listen.host));
  const origins = new Set(settings.allowedOrigins ?? []);
  return ({ host, origin }) => {
    const given = host?.toLowerCase() ?? "";
    if (!hosts.has(given) && !hosts.has(given.replace(/:[0-9]{1,5}$/, ""))) refuse("host");
    if (origin !== undefined && !origins.has(origin)) refuse("origin");
  };
}

function defaultHosts(listenHost: string): readonly string[] {
  if (WILDCARDS.has(listenHost)) return LOOPBACK;
  return [...LOOPBACK, listenHost.includes(":") ? `[${listenHost.toLowerCase()}]` : listenHost.toLowerCase()];
}

function refuse(header: "host" | "origin"): never {
  const setting = header === "host" ? "STEPGATE_ALLOWED_HOSTS" : "STEPGATE_ALLOWED_ORIGINS";
  throw new StepgateError("ORIGIN_REFUSED", { header, setting });
}
