/**
 * A key ring on real files and a real database, as the product opens one; the store may be watched.
 */
import { systemClock } from "../../src/core/clock.ts";
import { makeIds } from "../../src/core/ids.ts";
import { openKeyFiles } from "../../src/evidence/key-files.ts";
import { type KeyRing, openKeyRing } from "../../src/evidence/key-ring.ts";
import type { KeyStore } from "../../src/evidence/ports.ts";
import { makeKeyStore } from "../../src/storage/key-store.ts";
import type { TenantPool } from "../../src/storage/pool.ts";

export async function openKeyRingAt(
  home: string,
  pool: TenantPool,
  watched: (store: KeyStore) => KeyStore = (store) => store,
): Promise<KeyRing> {
  const ids = makeIds(systemClock);
  return openKeyRing({
    files: await openKeyFiles({ home, uid: process.getuid?.() ?? 0, uuid: ids.uuid }),
    store: watched(makeKeyStore(pool)),
    ids,
    clock: systemClock,
    givenInstanceKey: undefined,
    givenAdminKey: undefined,
    purposes: ["token", "decision", "artifact"],
    trustLifetimeMs: 86_400_000,
  });
}
