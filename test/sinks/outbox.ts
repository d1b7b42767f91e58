/**
 * Deliveries in memory, and a publisher on them whose receiver answers when it is told: for tests of what begins when.
 */
import type { Test } from "tap";
import { StepgateError } from "../../src/core/errors.ts";
import type { EventType } from "../../src/core/event.ts";
import { noFailPoints } from "../../src/core/fail-point.ts";
import type { LeaseEpoch, RunUid, TenantUid } from "../../src/core/ids.ts";
import type { ActiveSink, ClaimedLetter, DeliveryKey, DeliveryMove, DeliveryStore } from "../../src/sinks/ports.ts";
import { Publisher, type PublisherDeps } from "../../src/sinks/publisher.ts";
import type { SendResult, SendWebhook } from "../../src/sinks/send-webhook.ts";

export const TENANT = "00000000-0000-7000-8000-000000000001" as TenantUid;
const EVENTS_PER_RUN = 3;
const PATIENCE_MS = 10_000;
/** Of the event loop; everything here is in memory, and a look takes one. */
const TURNS = 20;
const LEASE = 1 as LeaseEpoch;

export const runUid = (index: number): RunUid => `00000000-0000-7000-8000-${String(index).padStart(12, "0")}` as RunUid;

/** A sink called `hooks`, to a host that the platform approves. */
export function sinkTo(host: string, change: Partial<ActiveSink> = {}): ActiveSink {
  const secret = { keyId: "k", wrappedKey: new Uint8Array(), sealed: new Uint8Array() };
  const approved = { hosts: [host], privateHosts: [] };
  return {
    tenantUid: TENANT,
    name: "hooks",
    url: `https://${host}/`,
    eventTypes: undefined,
    version: 1,
    secret,
    approved,
    ...change,
  };
}

interface Sent {
  readonly id: string;
  readonly url: string;
  readonly answer: (result: SendResult) => void;
}

export interface Outbox {
  /** What `activeSinks` finds from now on. */
  sinks: readonly ActiveSink[];
  /** Tries that wait for an answer, in their order. */
  readonly open: readonly Sent[];
  /** Every try. */
  readonly sent: readonly Sent[];
  /** Most that ever waited for an answer at once. */
  readonly mostOpen: () => number;
  /** How often each call was made. */
  readonly calls: Readonly<Record<"activeSinks" | "find" | "claim" | "claimLetters", number>>;
  /** Runs that were asked for in claims. */
  readonly claimed: readonly RunUid[];
  readonly lettersLeft: () => number;
  /** Runs that are leased now. */
  readonly leased: () => number;
  /** So many runs more, each with three events. */
  readonly add: (count: number) => readonly RunUid[];
  /** Waits until it holds; looked at after each call and each try. */
  readonly until: (isThere: () => boolean) => Promise<void>;
  /** Waits until what `activeSinks` finds now is what the publisher works with. */
  readonly nextSinks: () => Promise<void>;
  /** Resolves when the publisher has done what it can do without an answer. */
  readonly settled: () => Promise<void>;
  /** Answers every try with an acknowledgement, those to come too. */
  readonly acknowledgeAll: () => void;
  readonly publisher: Publisher;
}

export interface OutboxOptions {
  readonly runs: number;
  readonly letters?: number;
  /** Nothing is found: looking for it fails. */
  readonly isDatabaseAway?: boolean;
  readonly deps?: Partial<PublisherDeps>;
}

/** Starts a publisher; the test's end stops it. */
export function startOutbox(
  t: Test,
  { runs, letters: letterCount = 0, isDatabaseAway = false, deps = {} }: OutboxOptions,
): Outbox {
  const rows = new Map<RunUid, { done: number; isLeased: boolean }>();
  const add = (count: number): readonly RunUid[] => {
    const added = Array.from({ length: count }, (_, index) => runUid(rows.size + index));
    for (const run of added) rows.set(run, { done: 0, isLeased: false });
    return added;
  };
  add(runs);
  const letters = new Map<number, { isLeased: boolean }>(
    Array.from({ length: letterCount }, (_, index) => [index + 1, { isLeased: false }]),
  );
  const calls = { activeSinks: 0, find: 0, claim: 0, claimLetters: 0 };
  const claimed: RunUid[] = [];
  const sent: Sent[] = [];
  const open: Sent[] = [];
  let mostOpen = 0;
  let isAcknowledging = false;
  const watchers = new Set<() => void>();
  const look = (): void => {
    for (const watcher of watchers) watcher();
  };
  const isDue = (run: RunUid): boolean => {
    const row = rows.get(run);
    return row !== undefined && !row.isLeased && row.done < EVENTS_PER_RUN;
  };
  const key = (run: RunUid): DeliveryKey => ({ tenantUid: TENANT, sink: "hooks", runUid: run });
  const store: DeliveryStore = {
    activeSinks: async () => {
      const found = outbox.sinks;
      // what was found is what counts once the caller has it
      setImmediate(() => {
        calls.activeSinks += 1;
        look();
      });
      return found;
    },
    find: async (walks, maxScanned) => {
      calls.find += 1;
      setImmediate(look);
      if (isDatabaseAway) throw new StepgateError("STORE_UNAVAILABLE");
      return walks.map(({ after }) => {
        const slice = [...rows.keys()].filter((run) => after === undefined || run > after).slice(0, maxScanned);
        return { due: slice.filter(isDue), walkedTo: slice.length === maxScanned ? slice.at(-1) : undefined };
      });
    },
    claim: async (keys) => {
      calls.claim += 1;
      const due = keys.map((one) => one.runUid).filter(isDue);
      claimed.push(...keys.map((one) => one.runUid));
      return due.map((run) => {
        const row = rows.get(run);
        if (row !== undefined) row.isLeased = true;
        return { ...key(run), doneSeq: row?.done ?? 0, attempts: 0, leaseEpoch: LEASE };
      });
    },
    events: async (_, afterSeq, limit) =>
      Array.from({ length: EVENTS_PER_RUN }, (_, index) => index + 1)
        .filter((seq) => seq > afterSeq)
        .slice(0, limit)
        .map((seq) => ({ seq, type: "step_queued" as EventType, stepId: "a", atMs: 0, data: {} })),
    move: async () => [],
    claimLetters: async (wanted) => {
      calls.claimLetters += 1;
      return wanted.flatMap(({ limit }) =>
        [...letters]
          .filter(([, letter]) => !letter.isLeased)
          .slice(0, limit)
          .map(([seq, letter]): ClaimedLetter => {
            letter.isLeased = true;
            const eventType = "step_queued" as EventType;
            return { ...key(runUid(999)), seq, eventType, body: "{}", attempts: 0, leaseEpoch: LEASE };
          }),
      );
    },
    endLetter: async ({ seq }) => {
      letters.delete(seq);
      setImmediate(look);
    },
  };
  const send: SendWebhook = ({ sink, id }) =>
    new Promise((resolve) => {
      const one: Sent = {
        id,
        url: sink.url,
        answer: (result) => {
          open.splice(open.indexOf(one), 1);
          resolve(result);
        },
      };
      sent.push(one);
      open.push(one);
      mostOpen = Math.max(mostOpen, open.length);
      if (isAcknowledging) setImmediate(() => one.answer({ ok: true }));
      look();
    });
  const move = async ({ runUid: run, doneSeq, isReleased }: DeliveryMove): Promise<boolean> => {
    const row = rows.get(run);
    if (row !== undefined) Object.assign(row, { done: doneSeq, isLeased: !isReleased });
    setImmediate(look);
    return row !== undefined;
  };
  const publisher = new Publisher({
    ...{ store, move, send, jitter: () => 0.5, monotonicMs: () => performance.now(), failPoints: noFailPoints },
    vault: { open: async () => '{"current":"whsec_c2VjcmV0"}' },
    ...{ timeoutMs: 60_000, leaseMs: 180_000, pollMs: 60_000, maxScanned: 100, drainMs: 0 },
    retry: { maxAttempts: 3, baseMs: 1, maxMs: 1 },
    ...{ onResult: () => undefined, onUnapproved: () => undefined, onFault: () => undefined },
    ...deps,
  });
  const acknowledgeAll = (): void => {
    isAcknowledging = true;
    for (const one of [...open]) one.answer({ ok: true });
  };
  const until: Outbox["until"] = (isThere) =>
    new Promise((resolve, reject) => {
      const patience = setTimeout(
        () => reject(new TypeError(`not within ${PATIENCE_MS} ms; ${sent.length} tries`)),
        PATIENCE_MS,
      );
      const watcher = (): void => {
        if (!isThere()) return;
        clearTimeout(patience);
        watchers.delete(watcher);
        resolve();
      };
      watchers.add(watcher);
      watcher();
    });
  const outbox: Outbox = {
    sinks: [sinkTo("one.example")],
    ...{ open, sent, calls, claimed, acknowledgeAll, publisher },
    mostOpen: () => mostOpen,
    lettersLeft: () => letters.size,
    leased: () => [...rows.values()].filter(({ isLeased }) => isLeased).length,
    add,
    until,
    nextSinks: () => {
      // the read that is under way may have begun before the change
      const seen = calls.activeSinks;
      return until(() => calls.activeSinks >= seen + 2);
    },
    settled: async () => {
      for (let turn = 0; turn < TURNS; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    },
  };
  publisher.start();
  t.teardown(() => {
    acknowledgeAll();
    return publisher.stop();
  });
  return outbox;
}
