/** A KeyStore in memory with the port's promises; `failAt` ends the process's work before the n-th call, like a kill. */
import type { KeyRow, KeyStore, StoredTrustBundle } from "../../src/evidence/ports.ts";

export class Killed extends Error {
  override readonly name = "Killed";
}

export interface MemoryKeyStore extends KeyStore {
  readonly rows: KeyRow[];
  readonly bundles: StoredTrustBundle[];
  readonly adminKeys: Map<string, Uint8Array>;
  /** Calls until the kill; undefined never. */
  killAfter: number | undefined;
}

export function memoryKeyStore(): MemoryKeyStore {
  let check: Awaited<ReturnType<KeyStore["readInstanceCheck"]>>;
  let lock: Promise<unknown> = Promise.resolve();
  const call = <A extends readonly unknown[], R>(act: (...given: A) => R) => {
    return async (...given: A): Promise<R> => {
      if (store.killAfter !== undefined && --store.killAfter < 0) throw new Killed();
      return act(...given);
    };
  };
  const activeOf = (wanted: KeyRow) =>
    store.rows.find(
      (row) => row.state === "active" && row.tenantUid === wanted.tenantUid && row.purpose === wanted.purpose,
    );
  const store: MemoryKeyStore = {
    rows: [],
    bundles: [],
    adminKeys: new Map(),
    killAfter: undefined,
    exclusively: (act) => {
      const turn = lock.then(act);
      lock = turn.catch(() => undefined);
      return turn;
    },
    readInstanceCheck: call(() => check),
    insertInstanceCheck: call((given) => {
      check ??= given;
      return check;
    }),
    listInstanceKeys: call(() => store.rows.filter((row) => row.tenantUid === undefined)),
    listTenantKeys: call((tenantUid) => store.rows.filter((row) => row.tenantUid === tenantUid)),
    insertActiveKey: call((row) => {
      const standing = activeOf(row);
      if (standing === undefined) store.rows.push(row);
      return standing ?? row;
    }),
    readTrustBundle: call(() => store.bundles.at(-1)),
    insertTrustBundle: call((bundle) => {
      if (!store.bundles.some(({ version }) => version === bundle.version)) store.bundles.push(bundle);
      return store.bundles.at(-1) ?? bundle;
    }),
    hasAdminKey: call(() => store.adminKeys.size > 0),
    insertAdminKey: call(({ keyId, secretHash }) => {
      if (!store.adminKeys.has(keyId)) store.adminKeys.set(keyId, secretHash);
    }),
  };
  return store;
}
