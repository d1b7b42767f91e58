/**
 * Which hosts a tenant's sinks may reach: what the platform wrote into the tenant's settings (spec 10, outbound).
 *
 * In: settings as stored, a URL. Out: a yes or a no; what is absent or malformed approves nothing. Not here: what an address
 * may be (executors/http/).
 */
import { isJsonArray, type JsonObject, type JsonValue } from "../core/json.ts";
import { hostPortOf, hostPortText, isListed } from "../executors/http/host-port.ts";

export interface ApprovedHosts {
  /** `host` for ports 80 and 443, or `host:port`; over https. */
  readonly hosts: readonly string[];
  /** Exact `host:port` that may lie in a private network; over http too. */
  readonly privateHosts: readonly string[];
}

export function readApprovedHosts(settings: JsonObject): ApprovedHosts {
  return { hosts: textsOf(settings["sink_hosts"]), privateHosts: textsOf(settings["sink_private_hosts"]) };
}

export function isApproved(url: URL, { hosts, privateHosts }: ApprovedHosts): boolean {
  const place = hostPortOf(url);
  if (privateHosts.includes(hostPortText(place))) return url.protocol === "https:" || url.protocol === "http:";
  return url.protocol === "https:" && isListed(place, hosts);
}

function textsOf(value: JsonValue | undefined): readonly string[] {
  return isJsonArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
}
