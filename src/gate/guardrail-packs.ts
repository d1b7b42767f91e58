/**
 * Which packs a step passes at its own boundary: the tenant's floor, then what its flags and pack list add.
 *
 * A flag that nothing here enforces is refused; a guardrail asked for and not given would be a silent allow. So would be
 * options that the pack does not read, and a pack for the output that turns out to be missing once the effect is made.
 */
import { type GuardrailFlag, parseGuardrailFlag } from "../core/guardrail-flag.ts";
import type { StepSpec } from "../core/step.ts";
import type { TenantAuthority } from "../core/tenant.ts";
import { makeFindPackUseFault, type PackUseFault } from "../policy/pack-options.ts";
import type { Packs } from "./ports.ts";

/** Who keeps a flag: a pack, which reads it from `policy.guardrails` itself, or the host. */
const FLAG_KEEPERS: Readonly<Record<GuardrailFlag["name"], { readonly pack: string } | "host">> = {
  redact_pii: { pack: "pii_redaction" },
  deny_on_pii: { pack: "pii_redaction" },
  block_injection: { pack: "prompt_injection" },
  block_command_output: { pack: "command_output" },
  // egress-flags.ts
  egress_http_allowlist: "host",
  egress_http_max_bytes: "host",
  // executors/http/http-adapter.ts
  egress_http_content_type: "host",
  // guard.ts
  tool_sandbox: "host",
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
    const parsed = parseGuardrailFlag(flag);
    if (parsed === undefined) return { ok: false, flag };
    const keeper = FLAG_KEEPERS[parsed.name];
    if (keeper !== "host") names.push(keeper.pack);
  }
  for (const use of spec.policy.packs) {
    if (use.hooks.includes(hook)) names.push(use.name);
  }
  return { ok: true, names: [...new Set(names)] };
}

export interface PackFault {
  readonly pack: string;
  readonly reason: PackUseFault;
}

/** The first pack the step names, for either side of its effect, that is not here or does not take its options. */
export type FindPackFault = (spec: StepSpec) => PackFault | undefined;

export function makeFindPackFault(packs: Packs): FindPackFault {
  const findUseFault = makeFindPackUseFault(packs);
  return (spec) => {
    for (const { name, options } of spec.policy.packs) {
      const reason = findUseFault(name, options);
      if (reason !== undefined) return { pack: name, reason };
    }
    return undefined;
  };
}
