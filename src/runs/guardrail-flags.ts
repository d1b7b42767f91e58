/**
 * Guardrail flags of a step: their grammar, and which of them contradict each other (design §2).
 *
 * In: the texts of `policy.guardrails`. Out: parsed flags, or what is wrong. Not here: what a flag makes the gate do.
 */
import { ISOLATION_LEVELS } from "../core/isolation.ts";

const PLAIN_FLAGS = ["redact_pii", "deny_on_pii", "block_injection", "block_command_output"] as const;
const HOST = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::[1-9][0-9]{0,4})?$/;
const MIME = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$/;

export type GuardrailFlag =
  | { readonly name: (typeof PLAIN_FLAGS)[number] }
  | { readonly name: "egress_http_allowlist"; readonly domain: string }
  | { readonly name: "egress_http_content_type"; readonly mime: string }
  | { readonly name: "egress_http_max_bytes"; readonly maxBytes: number }
  | { readonly name: "tool_sandbox"; readonly isolation: Exclude<(typeof ISOLATION_LEVELS)[number], "none"> };

/** Reads one flag; undefined for a name we do not know or a value of the wrong form, which is to be refused. */
export function parseGuardrailFlag(text: string): GuardrailFlag | undefined {
  const plain = PLAIN_FLAGS.find((name) => name === text);
  if (plain !== undefined) return { name: plain };
  const colon = text.indexOf(":");
  const value = text.slice(colon + 1);
  switch (text.slice(0, Math.max(colon, 0))) {
    case "egress_http_allowlist":
      return HOST.test(value) ? { name: "egress_http_allowlist", domain: value } : undefined;
    case "egress_http_content_type":
      return MIME.test(value) ? { name: "egress_http_content_type", mime: value } : undefined;
    case "egress_http_max_bytes":
      return parseMaxBytes(value);
    case "tool_sandbox":
      return parseSandbox(value);
    default:
      return undefined;
  }
}

/**
 * The first two flags that cannot both hold: `redact_pii` with `deny_on_pii`, two sandboxes, two size limits.
 *
 * Repeating the same flag is no conflict; allow-list and content-type flags add up.
 */
export function conflictingFlags(flags: readonly string[]): readonly [string, string] | undefined {
  if (flags.includes("redact_pii") && flags.includes("deny_on_pii")) return ["redact_pii", "deny_on_pii"];
  for (const single of ["tool_sandbox:", "egress_http_max_bytes:"]) {
    const [first, ...others] = flags.filter((flag) => flag.startsWith(single));
    const other = others.find((flag) => flag !== first);
    if (first !== undefined && other !== undefined) return [first, other];
  }
  return undefined;
}

function parseMaxBytes(value: string): GuardrailFlag | undefined {
  const maxBytes = /^[1-9][0-9]{0,15}$/.test(value) ? Number(value) : 0;
  return maxBytes > 0 && Number.isSafeInteger(maxBytes) ? { name: "egress_http_max_bytes", maxBytes } : undefined;
}

function parseSandbox(value: string): GuardrailFlag | undefined {
  const isolation = ISOLATION_LEVELS.find((level) => level === value);
  // a flag only restricts, and "none" would restrict nothing
  return isolation === undefined || isolation === "none" ? undefined : { name: "tool_sandbox", isolation };
}
