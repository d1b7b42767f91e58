/**
 * Sealed texts that are no payload of a run, wired: secrets of sinks and of tools (main.ts).
 *
 * Not here: the cryptography (evidence/), who asks for one.
 */
import type { Ids, RunUid } from "./core/ids.ts";
import type { TextPlace, TextVault } from "./core/vault.ts";
import type { KeyRing } from "./evidence/key-ring.ts";
import { openBlob, sealBlob } from "./evidence/sealing.ts";
import { INSTANCE_SCOPE } from "./storage/pool.ts";

/** The vault of one kind: what was sealed as another opens nowhere in it. */
export function makeTextVault(
  { keyRing, ids }: { readonly keyRing: KeyRing; readonly ids: Ids },
  field: "sink_secret" | "tool_secret",
): TextVault {
  const placeOf = ({ tenantUid, name }: TextPlace) => ({
    tenantUid,
    runUid: INSTANCE_SCOPE as string as RunUid,
    stepId: name,
    field,
  });
  return {
    seal: async (place, text) => {
      const { dataKey } = await keyRing.tenants.of(place.tenantUid);
      return sealBlob(dataKey, placeOf(place), Buffer.from(text), ids.random);
    },
    open: async (place, sealed) => {
      const dataKey = await keyRing.tenants.dataKey(place.tenantUid, sealed.keyId);
      return Buffer.from(openBlob(dataKey, placeOf(place), sealed)).toString();
    },
  };
}
