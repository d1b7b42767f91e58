/**
 * Sinks wired: the publisher of a worker, and what the API reads and sets (main.ts).
 *
 * Not here: what any of them does (sinks/).
 */
import { isStepgateError } from "./core/errors.ts";
import { resolveAll } from "./executors/adapters.ts";
import { makeTransports } from "./executors/http/transports.ts";
import type { GatewayPorts } from "./gateway/ports.ts";
import { ANSWER_MARGIN_MS, type Rooms } from "./main-rooms.ts";
import { makeTextVault } from "./main-vault.ts";
import { makeBatcher } from "./scheduler/batcher.ts";
import { readApprovedHosts } from "./sinks/approved-hosts.ts";
import { Publisher } from "./sinks/publisher.ts";
import { makeSendWebhook } from "./sinks/send-webhook.ts";
import { makeSinks } from "./sinks/sinks.ts";
import { makeDeliveryStore } from "./storage/delivery-store.ts";
import { makeSinkStore } from "./storage/sink-store.ts";

/** Of the wait for an acknowledgement: a lease holds for one try and what surrounds it. */
const TRIES_PER_LEASE = 3;
const MAX_MOVES = 64;
/** Deliveries of one sink that one look goes through; where there are more, the next look goes on from there. */
const MAX_SCANNED = 5000;

/** Makes and starts the publisher; `stops` gets what must be stopped after it. */
export function startPublisher(rooms: Rooms, stops: (() => Promise<unknown>)[]): Publisher {
  const { config, clock, workerPool, store, metrics, log, failPoints, ownAddresses, version } = rooms;
  const { timeoutMs, maxAttempts, retryMs, retryMaxMs, pollMs } = config.sinks;
  const leaseMs = timeoutMs * TRIES_PER_LEASE;
  const deliveries = makeDeliveryStore(workerPool, store);
  const transports = makeTransports({ resolve: resolveAll, forbiddenAddresses: () => ownAddresses });
  const publisher = new Publisher({
    store: deliveries,
    vault: makeTextVault(rooms, "sink_secret"),
    move: makeBatcher({
      commit: (moves) => deliveries.move(moves, leaseMs),
      commitMaxMs: config.storage.statementTimeoutMs + ANSWER_MARGIN_MS,
      maxItems: MAX_MOVES,
      maxInFlight: 2,
      canSplit: (caught) => !isStepgateError(caught, "STORE_UNAVAILABLE", "STORE_FULL", "ANSWER_OVERDUE"),
    }),
    send: makeSendWebhook({ transports, nowMs: clock.nowMs, timeoutMs, userAgent: `stepgate/${version}` }),
    failPoints,
    retry: { maxAttempts, baseMs: retryMs, maxMs: retryMaxMs },
    jitter: Math.random,
    timeoutMs,
    leaseMs,
    monotonicMs: clock.monotonicMs,
    pollMs,
    maxScanned: MAX_SCANNED,
    drainMs: Math.min(timeoutMs, config.scheduler.drainMs),
    onResult: (outcome) => metrics.count("sink.deliveries", 1, { outcome }),
    onUnapproved: (sink) => log.warn({ sink }, "the platform does not approve this sink's host; its events wait"),
    onFault: (caught, sink) =>
      log.warn({ err: caught, ...(sink === undefined ? {} : { sink }) }, "delivering failed; it is tried again"),
  });
  stops.unshift(
    () => publisher.stop(),
    () => transports.close(),
  );
  publisher.start();
  return publisher;
}

export function sinkPorts(rooms: Rooms): GatewayPorts["sinks"] {
  const { pool, ids, clock, tenants } = rooms;
  return makeSinks({
    store: makeSinkStore(pool),
    vault: makeTextVault(rooms, "sink_secret"),
    ids,
    nowMs: clock.nowMs,
    approvedHosts: async (tenantUid) => readApprovedHosts((await tenants.authority(tenantUid))?.settings ?? {}),
  });
}
