/**
 * Secrets of tools wired: what the API writes, and what the gate is handed (main.ts).
 *
 * Not here: what any of them does (tenancy/, gate/).
 */
import type { Ids } from "./core/ids.ts";
import type { KeyRing } from "./evidence/key-ring.ts";
import type { GatewayPorts } from "./gateway/ports.ts";
import { makeTextVault } from "./main-vault.ts";
import type { TenantPool } from "./storage/pool.ts";
import { makeSecretStore } from "./storage/secret-store.ts";
import { makeSecretReader, type SecretReader } from "./tenancy/read-secrets.ts";
import { makeSecrets } from "./tenancy/secrets.ts";

interface SecretRooms {
  readonly pool: TenantPool;
  readonly keyRing: KeyRing;
  readonly ids: Ids;
}

export function secretPorts(rooms: SecretRooms): GatewayPorts["secrets"] {
  return makeSecrets({ store: makeSecretStore(rooms.pool), vault: makeTextVault(rooms, "tool_secret") });
}

export function secretReader(rooms: SecretRooms): SecretReader {
  return makeSecretReader({ store: makeSecretStore(rooms.pool), vault: makeTextVault(rooms, "tool_secret") });
}
