/**
 * A tenant's secrets, as operators set and see them: written, replaced, erased, and never read back (spec 09, tools).
 *
 * In: a caller and what it asks. Out: views without values. Each write is a new version, also of the value that is there:
 * an answer that told whether it is the same could be guessed at. Not here: HTTP, rows, handing them over (read-secrets.ts).
 */
import type { TenantUid } from "../core/ids.ts";
import { pageOfRows } from "../core/page-of-rows.ts";
import { fitsHeader } from "../core/secret.ts";
import type { TextVault } from "../core/vault.ts";
import type { SecretRow, SecretStore } from "./ports.ts";

interface Caller {
  readonly keyId: string;
  readonly tenantUid: TenantUid;
}

interface OfSecret {
  readonly caller: Caller;
  readonly name: string;
}

export interface SecretDeps {
  readonly store: SecretStore;
  readonly vault: TextVault;
}

const MAX_TOOLS_SHOWN = 100;

export function makeSecrets({ store, vault }: SecretDeps) {
  return {
    list: async ({
      caller,
      after,
      limit,
    }: {
      readonly caller: Caller;
      readonly after: string | undefined;
      readonly limit: number;
    }) => {
      const read = (mostRows: number) => store.list(caller.tenantUid, after, mostRows);
      const { rows, ...next } = await pageOfRows(limit, read, ({ name }) => name);
      return { items: rows.map(viewSecret), ...next };
    },
    get: async ({ caller: { tenantUid }, name }: OfSecret) => {
      const [row] = await store.find(tenantUid, [name]);
      return row && { ...viewSecret(row), tools: await store.tools(tenantUid, name, MAX_TOOLS_SHOWN) };
    },
    put: async ({ caller, name, value }: OfSecret & { readonly value: string }) => {
      const { tenantUid, keyId } = caller;
      const sealed = await vault.seal({ tenantUid, name }, value);
      const actor = `key:${keyId}`;
      const row = await store.put({ tenantUid, actor, name, fitsHeader: fitsHeader(value), value: sealed });
      return { secret: viewSecret(row), isNew: row.version === 1 };
    },
    remove: async ({ caller, name }: OfSecret): Promise<true | undefined> =>
      (await store.remove({ tenantUid: caller.tenantUid, actor: `key:${caller.keyId}`, name })) ? true : undefined,
  };
}

function viewSecret({ name, version, fitsHeader: isHeaderToo, createdAtMs, updatedAtMs }: SecretRow) {
  return {
    name,
    version,
    fits: isHeaderToo ? (["env", "header"] as const) : (["env"] as const),
    created_at: timeText(createdAtMs),
    updated_at: timeText(updatedAtMs),
  };
}

const timeText = (atMs: number): string => new Date(atMs).toISOString();
