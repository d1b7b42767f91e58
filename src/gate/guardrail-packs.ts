/**
 * Which packs a step passes at its own boundary: the tenant's floor, then what its flags and pack list add.
 *
 * A flag that nothing here enforces is refused; a guardrail asked for and not given would be a silent allow. So would be
 * options that the pack does not read, and a pack for the output that turns out to be missing once the effect is made.
 */
import Schema from "typebox/schema";
import type { StepSpec } from "../core/step.ts";
import type { TenantAuthority } from "../core/tenant.ts";
import type { LoadedPack } from "../policy/pack.ts";
import type { Packs } from "./ports.ts";

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

export interface PackFault {
  readonly pack: string;
  readonly reason: "no_pack" | "pack_options_invalid";
}

/** The first pack the step names, for either side of its effect, that is not here or does not take its options. */
export type FindPackFault = (spec: StepSpec) => PackFault | undefined;

export function makeFindPackFault(packs: Packs): FindPackFault {
  const validators = new WeakMap<LoadedPack, OptionsCheck>();
  const checkOf = (pack: LoadedPack): OptionsCheck => {
    const known = validators.get(pack) ?? optionsCheck(pack);
    validators.set(pack, known);
    return known;
  };
  return (spec) => {
    for (const { name, options } of spec.policy.packs) {
      const pack = packs.get(name);
      if (pack === undefined) return { pack: name, reason: "no_pack" };
      if (!checkOf(pack)(options)) return { pack: name, reason: "pack_options_invalid" };
    }
    return undefined;
  };
}

type OptionsCheck = (options: StepSpec["policy"]["packs"][number]["options"]) => boolean;

function optionsCheck({ manifest }: LoadedPack): OptionsCheck {
  // a pack that declares none takes none
  if (manifest.options === undefined) return (options) => Object.keys(options).length === 0;
  try {
    const validator = Schema.Compile(manifest.options);
    return (options) => validator.Check(options);
  } catch {
    // a schema that cannot be read lets nothing pass
    return () => false;
  }
}
