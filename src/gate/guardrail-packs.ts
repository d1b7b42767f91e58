/**
 * Which packs a step passes at its own boundary: the tenant's floor, then what its flags and pack list add.
 *
 * A flag that nothing here enforces is refused; a guardrail asked for and not given would be a silent allow.
 */
import type { StepSpec } from "../core/step.ts";
import type { TenantAuthority } from "../core/tenant.ts";

/** Flags that a pack enforces; the pack reads the flag itself from `policy.guardrails`. */
const FLAG_PACKS: Readonly<Record<string, string>> = {
  redact_pii: "pii_redaction",
  deny_on_pii: "pii_redaction",
  block_injection: "prompt_injection",
};

type GuardrailPacks =
  | { readonly ok: true; readonly names: readonly string[] }
  | { readonly ok: false; readonly flag: string };

/** Pack names in the order in which they decide, each once. */
export function guardrailPacks(
  authority: TenantAuthority,
  spec: StepSpec,
  hook: "pre" | "post" = "pre",
): GuardrailPacks {
  const names = [...authority.requiredGuardrails];
  for (const flag of spec.policy.guardrails) {
    if (isEgressFlag(flag)) continue;
    const pack = Object.hasOwn(FLAG_PACKS, flag) ? FLAG_PACKS[flag] : undefined;
    if (pack === undefined) return { ok: false, flag };
    names.push(pack);
  }
  for (const use of spec.policy.packs) {
    if (use.hooks.includes(hook)) names.push(use.name);
  }
  return { ok: true, names: [...new Set(names)] };
}

/** Flags that narrow the capability instead of asking a pack (egress-flags.ts). */
export function isEgressFlag(flag: string): boolean {
  return flag.startsWith("egress_http_allowlist:") || flag.startsWith("egress_http_max_bytes:");
}
