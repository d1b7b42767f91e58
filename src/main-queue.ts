/**
 * The queue's ports: what waits and why, pauses, dead letters (gateway/ports.ts). Wiring only.
 */
import type { GatewayPorts } from "./gateway/ports.ts";
import { opener, type Rooms } from "./main-rooms.ts";
import { makeForkRun } from "./runs/fork-run.ts";
import { makeRunReader } from "./runs/read-run.ts";
import { makeQueueOperations } from "./scheduler/queue-operations.ts";
import { makeQueueStore } from "./storage/queue-store.ts";

function queueOperations({ pool, registry, ready }: Rooms) {
  return makeQueueOperations({
    store: makeQueueStore(pool),
    isType: (type) => registry.get(type) !== undefined,
    onResumed: ready.ready,
  });
}

export function queuePorts(rooms: Rooms): GatewayPorts["queue"] {
  const operations = queueOperations(rooms);
  return {
    get: ({ caller }) => operations.queue(caller.tenantUid),
    setPaused: ({ caller, type, isPaused }) =>
      operations.setPaused({ tenantUid: caller.tenantUid, type, isPaused, actor: `key:${caller.keyId}` }),
    waits: async ({ caller, run, stepId }) => {
      const found = await rooms.store.find(caller.tenantUid, run);
      return found && operations.waits(caller.tenantUid, found.runUid, stepId);
    },
  };
}

export function deadLetterPorts(rooms: Rooms): GatewayPorts["deadLetters"] {
  const { store, readManifest, startRun } = rooms;
  const operations = queueOperations(rooms);
  const open = opener(rooms);
  const reader = makeRunReader({ store, open });
  const forkRun = makeForkRun({ store, readManifest, open, startRun });
  const find: GatewayPorts["deadLetters"]["get"] = async ({ caller, run, stepId }) => {
    const found = await store.find(caller.tenantUid, run);
    return found && operations.deadLetter(caller.tenantUid, found.runUid, stepId);
  };
  return {
    list: ({ caller, after, limit }) => operations.deadLetters(caller.tenantUid, { after, limit }),
    get: find,
    redrive: async ({ caller, run: ref, stepId, inputs, idempotencyKey }) => {
      const { tenantUid } = caller;
      const runUid = (await store.find(tenantUid, ref))?.runUid;
      if (runUid === undefined || (await operations.deadLetter(tenantUid, runUid, stepId)) === undefined)
        return undefined;
      const forked = await forkRun({ tenantUid, caller, runUid, stepId, inputs, idempotencyKey });
      const run = forked && (await reader.get(tenantUid, { runUid: forked.runUid }));
      return run && { run, isNew: forked.isNew };
    },
  };
}
