/**
 * Rules as a module in this process: built, instantiated, asked. Not here: packs with manifests (make-pack.ts).
 */
import { resolveBuiltins } from "../../src/policy/host-builtin.ts";
import { inspectModule } from "../../src/policy/inspect-module.ts";
import { instantiateOpa } from "../../src/policy/opa-instance.ts";
import { processToolchain } from "../../src/policy/pack-tools.ts";
import type { Sources } from "../../src/policy/toolchain.ts";

export interface AskedRules {
  /** What the module leaves to its host. */
  readonly builtins: readonly string[];
  readonly constants: string | undefined;
  /** What the entrypoint `a/answer` is; undefined if it is undefined. */
  readonly evaluate: (input: unknown) => unknown;
}

export async function askRules(files: Sources, maxMemoryBytes = 64 * 1024 * 1024): Promise<AskedRules> {
  const built = (await processToolchain().open()).buildWasm(files, ["a/answer"]);
  if (!built.ok) throw new Error(JSON.stringify(built.problems));
  const memory = inspectModule(built.result);
  const module = { module: new WebAssembly.Module(built.result), memory };
  const { builtins } = instantiateOpa(module, { builtin: () => () => undefined, maxMemoryBytes });
  const builtin = await resolveBuiltins(builtins, processToolchain());
  const instance = instantiateOpa(module, { builtin, maxMemoryBytes });
  const entrypoint = instance.entrypoints.get("a/answer") ?? -1;
  return {
    builtins,
    constants: memory.constants,
    evaluate: (input) => {
      const resultSet = instance.evaluate(entrypoint, Buffer.from(JSON.stringify(input)));
      return JSON.parse(Buffer.from(resultSet).toString())[0]?.result;
    },
  };
}
