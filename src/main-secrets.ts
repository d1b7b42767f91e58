/**
 * Secrets of tools wired: what the API writes, and what the gate is handed (main.ts).
 *
 * Not here: what any of them does (tenancy/, gate/).
 */
import type { Ids, RunUid, TenantUid } from "./core/ids.ts";
import type { KeyRing } from "./evidence/key-ring.ts";
import { openBlob, sealBlob } from "./evidence/sealing.ts";
import type { GatewayPorts } from "./gateway/ports.ts";
import { INSTANCE_SCOPE, type TenantPool } from "./storage/pool.ts";
import { makeSecretStore } from "./storage/secret-store.ts";
import type { SecretVault } from "./tenancy/ports.ts";
import { makeSecretReader, type SecretReader } from "./tenancy/read-secrets.ts";
import { makeSecrets } from "./tenancy/secrets.ts";

interface SecretRooms {
  readonly pool: TenantPool;
  readonly keyRing: KeyRing;
  readonly ids: Ids;
}

export function secretPorts(rooms: SecretRooms): GatewayPorts["secrets"] {
  return makeSecrets({ store: makeSecretStore(rooms.pool), vault: secretVault(rooms) });
}

export function secretReader(rooms: SecretRooms): SecretReader {
  return makeSecretReader({ store: makeSecretStore(rooms.pool), vault: secretVault(rooms) });
}

/** A secret opens at its own tenant and name only. */
function secretVault({ keyRing, ids }: Pick<SecretRooms, "keyRing" | "ids">): SecretVault {
  const place = ({ tenantUid, secret }: { readonly tenantUid: TenantUid; readonly secret: string }) => ({
    tenantUid,
    runUid: INSTANCE_SCOPE as string as RunUid,
    stepId: secret,
    field: "tool_secret",
  });
  return {
    seal: async (at, value) => {
      const { dataKey } = await keyRing.tenants.of(at.tenantUid);
      return sealBlob(dataKey, place(at), Buffer.from(value), ids.random);
    },
    open: async (at, sealed) => {
      const dataKey = await keyRing.tenants.dataKey(at.tenantUid, sealed.keyId);
      return Buffer.from(openBlob(dataKey, place(at), sealed)).toString();
    },
  };
}
