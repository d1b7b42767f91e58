/**
 * Step flags that narrow where a step may send: they become obligations, so flags and packs narrow in one place.
 *
 * In: `egress_http_allowlist:<host>` (repeatable) and `egress_http_max_bytes:<n>`. Not here: the narrowing (capability/).
 */
import type { Obligation } from "../core/decision.ts";
import { flagsNamed } from "../core/guardrail-flag.ts";

export function egressNarrowing(flags: readonly string[]): readonly Obligation[] {
  const hosts = flagsNamed(flags, "egress_http_allowlist").map(({ domain }) => domain);
  const sizes = flagsNamed(flags, "egress_http_max_bytes").map(({ maxBytes }) => maxBytes);
  const obligations: Obligation[] = [];
  if (hosts.length > 0) obligations.push({ id: "flag_egress", type: "egress", properties: { hosts } });
  if (sizes.length > 0)
    obligations.push({ id: "flag_max_bytes", type: "limit", properties: { bytes_out: Math.min(...sizes) } });
  return obligations;
}
