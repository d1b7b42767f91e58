/**
 * Approvals wired: what the gate asks, what the reaper ends, what the API reads and decides (main.ts).
 *
 * Not here: what any of them does (approvals/).
 */
import { makeDecideApproval } from "./approvals/decide-approval.ts";
import { makeExpireApprovals } from "./approvals/expire-approvals.ts";
import { type FindApproval, makeFindApproval } from "./approvals/find-approval.ts";
import type { EvidenceDeps, PayloadDeps } from "./approvals/ports.ts";
import { makeReadApprovals } from "./approvals/read-approvals.ts";
import type { RunUid } from "./core/ids.ts";
import type { Rooms } from "./main-rooms.ts";
import { makeApprovalStore, makeFindDueApprovals } from "./storage/approval-store.ts";

/** For the gate: the approval that a held step may use. */
export function approvalFinder(rooms: Rooms): FindApproval {
  const { workerPool, databaseClock } = rooms;
  return makeFindApproval({
    ...evidenceOf(rooms),
    ...payloadOf(rooms),
    store: makeApprovalStore(workerPool),
    databaseClock,
  });
}

/** For the reaper: ends what nobody decided in time. */
export function approvalExpiry(rooms: Rooms, onEnded: () => void): (limit: number) => Promise<number> {
  const { workerPool, sign, keyRing, log, feed } = rooms;
  return makeExpireApprovals({
    ...evidenceOf(rooms),
    findDue: makeFindDueApprovals(workerPool),
    store: makeApprovalStore(workerPool),
    sign,
    instanceUid: keyRing.instanceUid,
    onExpired: (runUid) => {
      feed.changed(runUid);
      onEnded();
    },
    onUnverified: (caught, approvalId) =>
      log.error({ err: caught, approval: approvalId }, "an approval that nobody signed was taken out of use"),
  });
}

/** For the API. */
export function approvalUseCases(rooms: Rooms) {
  const { pool, sign, keyRing, vaults, packs, feed, ready } = rooms;
  const store = makeApprovalStore(pool);
  return {
    read: makeReadApprovals({
      ...evidenceOf(rooms),
      ...payloadOf(rooms),
      store,
      reasonText: (pack, code) => {
        const loaded = packs.get(pack.id);
        return loaded?.ref.digest === pack.digest ? loaded.manifest.reasons?.[code] : undefined;
      },
    }),
    decide: makeDecideApproval({
      ...evidenceOf(rooms),
      store,
      vault: vaults.of,
      sign,
      instanceUid: keyRing.instanceUid,
      onDecided: (runUid: RunUid) => {
        ready.ready();
        feed.changed(runUid);
      },
    }),
  };
}

function evidenceOf({ records, keyRing }: Rooms): EvidenceDeps {
  const { instanceUid } = keyRing;
  return {
    records,
    trust: async (kid) => {
      if (!keyRing.trustedKeys().has(kid)) await keyRing.reload();
      return { instanceUid, keys: keyRing.trustedKeys() };
    },
  };
}

function payloadOf({ store, vaults }: Rooms): PayloadDeps {
  return {
    readBlob: store.readBlob,
    open: async (tenantUid, blob, place) =>
      (await vaults.opening(tenantUid, blob === undefined ? [] : [blob])).open(blob, place),
  };
}
