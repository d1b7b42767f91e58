/**
 * Builtins that a pack's module leaves to the host: who answers which.
 *
 * In: a builtin's name. Out: its code, over value literals or over values in the module's memory; undefined where OPA is
 * undefined. Not here: the builtins themselves (builtins/), OPA's own code for the rest (toolchain.ts).
 */
import type { HostBuiltin, TextBuiltin } from "./builtins/builtin.ts";
import { HOSTED_BUILTINS, makeHostedBuiltins } from "./builtins/hosted.ts";
import { makeOwnBuiltins } from "./builtins/index.ts";
import type { LazyToolchain, Toolchain } from "./toolchain.ts";
import { readOfferedBuiltins } from "./toolchain-module.ts";

/** A builtin must not go on: it was stopped at its limit. The evaluation is a fault. */
class BuiltinHalted extends Error {
  override readonly name = "BuiltinHalted";
  constructor(name: string) {
    super(`${name} was stopped`);
  }
}

/**
 * Finds who answers each of the named builtins: our own code, else OPA's, which is opened only if one needs it.
 *
 * A name that is not offered stays without an answer, and a module that needs it is refused.
 * @throws {StepgateError} TOOLCHAIN_UNAVAILABLE when OPA's code is needed and cannot be opened.
 */
export async function resolveBuiltins(
  names: readonly string[],
  toolchain: LazyToolchain,
): Promise<(name: string) => HostBuiltin | undefined> {
  const ours = new Map<string, HostBuiltin>(makeOwnBuiltins());
  if (HOSTED_BUILTINS.some((name) => names.includes(name))) {
    const hosted = makeHostedBuiltins(await toolchain.openRegexEngine());
    for (const name of HOSTED_BUILTINS) ours.set(name, hosted[name]);
  }
  const found = new Map<string, HostBuiltin>();
  const others = names.filter((name) => !ours.has(name));
  const offered = others.length > 0 ? await readOfferedBuiltins(toolchain.place) : new Set();
  for (const name of names) {
    const own = ours.get(name);
    if (own !== undefined) found.set(name, own);
    else if (offered.has(name)) found.set(name, toolchainBuiltin(await toolchain.open(), name));
  }
  return (name) => found.get(name);
}

/** The builtin as OPA's own code answers it. */
function toolchainBuiltin(toolchain: Toolchain, name: string): TextBuiltin {
  return (operands) => {
    const answer = toolchain.callBuiltin(name, operands);
    if (answer.halted === true) throw new BuiltinHalted(name);
    return answer.value;
  };
}
