/**
 * Guardrail flags of a step: their grammar, and which of them contradict each other (design §2).
 *
 * In: the texts of `policy.guardrails`. Out: parsed flags, or what is wrong. Not here: what a flag makes the gate and the
 * adapters do (gate/guardrail-packs.ts, gate/egress-flags.ts, gate/guard.ts, executors/http/).
 */
import { ISOLATION_LEVELS } from "./isolation.ts";

const PLAIN_FLAGS = ["redact_pii", "deny_on_pii", "block_injection", "block_command_output"] as const;
/** As token scopes name hosts (capability/host.ts): labels, or an IPv6 address in brackets; a port up to 65 535. */
const HOST =
  /^(?=.{1,260}$)(?:\[[0-9a-f:.]{2,45}\]|[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*)(?::([1-9][0-9]{0,4}))?$/;
const MAX_PORT = 65_535;
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
      return isHost(value) ? { name: "egress_http_allowlist", domain: value } : undefined;
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

/** The flags of a step that are of one name, in their order; a text that is no flag is none of them. */
export function flagsNamed<Name extends GuardrailFlag["name"]>(
  flags: readonly string[],
  name: Name,
): readonly Extract<GuardrailFlag, { readonly name: Name }>[] {
  return flags
    .map(parseGuardrailFlag)
    .filter((flag): flag is Extract<GuardrailFlag, { readonly name: Name }> => flag?.name === name);
}

function isHost(value: string): boolean {
  const match = HOST.exec(value);
  return match !== null && Number(match[1] ?? 0) <= MAX_PORT;
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
