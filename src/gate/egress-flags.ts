/**
 * Step flags that narrow where a step may send: they become obligations, so flags and packs narrow in one place.
 *
 * In: `egress_http_allowlist:<host>` (repeatable) and `egress_http_max_bytes:<n>`. Not here: the narrowing (capability/).
 */
import type { Obligation } from "../core/decision.ts";

export function egressNarrowing(flags: readonly string[]): readonly Obligation[] {
  const hosts = flags.flatMap((flag) => textAfter(flag, "egress_http_allowlist:"));
  const sizes = flags.flatMap((flag) => textAfter(flag, "egress_http_max_bytes:")).map(Number);
  const obligations: Obligation[] = [];
  if (hosts.length > 0) obligations.push({ id: "flag_egress", type: "egress", properties: { hosts } });
  if (sizes.length > 0)
    obligations.push({ id: "flag_max_bytes", type: "limit", properties: { bytes_out: Math.min(...sizes) } });
  return obligations;
}

function textAfter(flag: string, prefix: string): readonly string[] {
  return flag.startsWith(prefix) ? [flag.slice(prefix.length)] : [];
}
