/**
 * The first API key of an instance: given by the operator, or made once (spec 10, keys).
 *
 * In: the given text, the key files, the store. Out: its id, and where it can be read. Here: never two, never revived.
 * Not here: showing it to anyone (cli/).
 */
import { StepgateError } from "../core/errors.ts";
import type { Ids } from "../core/ids.ts";
import { hashApiKey, makeApiKey } from "./api-key.ts";
import type { KeyFiles } from "./key-files.ts";
import type { KeyStore } from "./ports.ts";

const ADMIN_KEY_FILE = "admin-key";
const MIN_ADMIN_KEY_LENGTH = 32;

export type AdminKey =
  | { readonly source: "given"; readonly keyId: string }
  /** `isNew`: this start made it, so this start shows its path. */
  | { readonly source: "file"; readonly keyId: string; readonly path: string; readonly isNew: boolean }
  /** An admin key was stored before and its file is gone: nothing is made. */
  | { readonly source: "stored" };

/** Refuses a given admin key under 32 characters. @throws {StepgateError} ADMIN_KEY_WEAK. */
export function checkAdminKey(given: string | undefined): void {
  if (given !== undefined && given.length < MIN_ADMIN_KEY_LENGTH) {
    throw new StepgateError("ADMIN_KEY_WEAK", { minCharacters: MIN_ADMIN_KEY_LENGTH });
  }
}

/**
 * Makes sure that an admin key exists, once: a kill between file and row is made good by the next start.
 *
 * @throws {StepgateError} ADMIN_KEY_WEAK, KEY_FILE_UNSAFE.
 */
export async function ensureAdminKey(
  given: string | undefined,
  { files, store, random }: { readonly files: KeyFiles; readonly store: KeyStore; readonly random: Ids["random"] },
): Promise<AdminKey> {
  checkAdminKey(given);
  if (given !== undefined) {
    const row = hashApiKey(given);
    await store.insertAdminKey(row);
    return { source: "given", keyId: row.keyId };
  }
  const found = await files.read(ADMIN_KEY_FILE);
  if (found === undefined && (await store.hasAdminKey())) return { source: "stored" };
  const bytes = found ?? (await files.create(ADMIN_KEY_FILE, Buffer.from(makeApiKey(random))));
  const row = hashApiKey(Buffer.from(bytes).toString().trim());
  await store.insertAdminKey(row);
  return { source: "file", keyId: row.keyId, path: files.pathOf(ADMIN_KEY_FILE), isNew: found === undefined };
}
