/**
 * The packs of this process by name; those that came with the product, and others once they are loaded.
 *
 * In: loaded packs. Out: look-ups. Not here: which version a tenant uses (storage/), loading (load-pack.ts).
 */
import { StepgateError } from "../core/errors.ts";
import type { LoadedPack } from "./pack.ts";

export interface PackRegistry {
  readonly get: (name: string) => LoadedPack | undefined;
  /** In order of names. */
  readonly list: () => readonly LoadedPack[];
  /** Closes every pack. */
  readonly close: () => void;
}

/**
 * Makes a registry of packs with distinct names.
 *
 * @throws {StepgateError} STATE_CONFLICT when two packs have the same name: which one decides must not be an accident.
 */
export function makePackRegistry(packs: readonly LoadedPack[]): PackRegistry {
  const byName = new Map<string, LoadedPack>();
  for (const pack of packs) {
    if (byName.has(pack.ref.id)) throw new StepgateError("STATE_CONFLICT", { pack: pack.ref.id });
    byName.set(pack.ref.id, pack);
  }
  const names = [...byName.keys()].sort();
  const ordered = names.flatMap((name) => byName.get(name) ?? []);
  return {
    get: (name) => byName.get(name),
    list: () => ordered,
    close: () => {
      for (const pack of ordered) pack.close();
    },
  };
}
