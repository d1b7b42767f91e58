/** The packs of one process by name: which of two decides must never be an accident. */
import { StepgateError } from "../core/errors.ts";
import type { LoadedPack } from "./pack.ts";

/** @throws {StepgateError} STATE_CONFLICT when two packs have the same name, whatever their folders are called. */
export function packsByName(packs: readonly LoadedPack[]): ReadonlyMap<string, LoadedPack> {
  const byName = new Map<string, LoadedPack>();
  for (const pack of packs) {
    if (byName.has(pack.ref.id)) throw new StepgateError("STATE_CONFLICT", { pack: pack.ref.id });
    byName.set(pack.ref.id, pack);
  }
  return byName;
}
