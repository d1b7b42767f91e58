/**
 * Packs and executors: what a process opens without its database, while a first start makes the cluster (main.ts).
 *
 * Here: the order. Not here: what a pack or an adapter does (policy/, executors/).
 */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Config } from "./config/config.ts";
import { type Clock, systemClock } from "./core/clock.ts";
import { makeIds } from "./core/ids.ts";
import { ownUid } from "./core/own-user.ts";
import { makeAdapters } from "./executors/adapters.ts";
import type { SocketAddress } from "./executors/http/checked-connect.ts";
import type { AdapterDeps } from "./executors/ports.ts";
import { makeRegistry, type Registry } from "./executors/registry.ts";
import { databaseAddresses } from "./main-database.ts";
import type { StartInput } from "./main-input.ts";
import type { LoadedPack } from "./policy/pack.ts";
import { loadPackFolders } from "./policy/product-packs.ts";
import { lazyToolchain } from "./policy/toolchain.ts";

/** Packs that come with the product, built. */
const PACK_FOLDER = fileURLToPath(new URL("../wasm/", import.meta.url));

export interface PacksAndExecutors {
  readonly packs: Map<string, LoadedPack>;
  readonly registry: Registry;
  /** Where no step may connect to; grows when the API listens: only then is its port known. */
  readonly ownAddresses: SocketAddress[];
}

/** Loads every pack and tests what isolation this machine gives. @throws {StepgateError} PACK_DIGEST_MISMATCH … */
export async function openExecutors(
  { config, onProgress, parts = {} }: StartInput,
  { clock, tokenUse }: { readonly clock: Clock; readonly tokenUse: AdapterDeps },
  stops: (() => Promise<unknown>)[],
): Promise<PacksAndExecutors> {
  onProgress("loading_packs");
  const packs = new Map([...(await loadPacks(config)), ...(parts.packs ?? [])]);
  stops.unshift(async () => {
    for (const pack of packs.values()) pack.close();
  });
  onProgress("testing_isolation");
  const ownAddresses: SocketAddress[] = [...(await databaseAddresses(config))];
  const registry = makeRegistry([
    ...makeAdapters({ ...tokenUse, clock, forbiddenAddresses: () => ownAddresses }),
    ...(parts.adapters ?? []),
  ]);
  await registry.selfTestAll();
  return { packs, registry, ownAddresses };
}

async function loadPacks({ instance: { home, packs } }: Config): Promise<ReadonlyMap<string, LoadedPack>> {
  const cacheDirectory = join(tmpdir(), `stepgate-toolchain-${ownUid()}`);
  const toolchain = lazyToolchain({ clock: systemClock, random: makeIds(systemClock).random, cacheDirectory });
  const folders = [
    { path: PACK_FOLDER, isOptional: false },
    { path: packs ?? join(home, "packs"), isOptional: packs === undefined },
  ];
  return loadPackFolders({ folders, clock: systemClock, toolchain });
}
