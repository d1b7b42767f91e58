/**
 * The publisher of one worker: finds runs with events that a sink has not had, leases them, and has them delivered.
 *
 * Runs are found by looking through the deliveries of each sink, a slice at a time, and at once where this process has just
 * written an event. A sink has places of its own, fewer while it fails, so one that hangs holds up nobody else. Settlement
 * never waits for any of it. Not here: the order within a run (deliver-run.ts), what is leased (storage/).
 */
import type { RunUid, TenantUid } from "../core/ids.ts";
import { deliveryId } from "./cloud-event.ts";
import { type DeliverDeps, type LeasedRun, makeDeliverRun, nextTryMs } from "./deliver-run.ts";
import type { ActiveSink, ClaimedLetter, DeliveryKey, DeliveryStore, SecretVault } from "./ports.ts";
import type { SendResult } from "./send-webhook.ts";
import { readSecrets, type WebhookSecrets } from "./webhook-secret.ts";

export interface PublisherDeps extends Omit<DeliverDeps, "store"> {
  readonly store: DeliveryStore;
  readonly vault: Pick<SecretVault, "open">;
  /** How often every sink is looked through. */
  readonly pollMs: number;
  /** How long a stop waits for deliveries under way before it breaks them off. */
  readonly drainMs: number;
  readonly onResult: (outcome: "acknowledged" | "failed") => void;
  /** Nothing is lost: what was leased is found again. */
  readonly onFault: (caught: unknown, sink: string | undefined) => void;
}

/** Runs of one sink that are delivered at the same time by this process. */
const MAX_PLACES = 16;
/** Deliveries of one sink that one look goes through; where there are more, the next look goes on from there. */
const MAX_SCANNED = 5000;
const MAX_LETTERS = 4;

interface SinkState {
  sink: ActiveSink;
  secrets: WebhookSecrets;
  /** Runs under way, and whether there was news of them meanwhile. */
  readonly underWay: Map<RunUid, { isStale: boolean }>;
  letters: number;
  places: number;
  /** Where the look through the sink's runs goes on. */
  after: RunUid | undefined;
  /** There is more than there were places for. */
  hasMore: boolean;
}

export class Publisher {
  private readonly deps: PublisherDeps;
  private readonly deliverRun: ReturnType<typeof makeDeliverRun>;
  private readonly sinks = new Map<string, SinkState>();
  private readonly news = new Map<TenantUid, Set<RunUid>>();
  private readonly working = new Set<Promise<void>>();
  private readonly broken = new AbortController();
  private poll: NodeJS.Timeout | undefined;
  private next: NodeJS.Immediate | undefined;
  private looking: Promise<void> = Promise.resolve();
  private isLooking = false;
  private isPollDue = true;
  private isStopping = false;

  constructor(deps: PublisherDeps) {
    this.deps = deps;
    this.deliverRun = makeDeliverRun(deps);
  }

  start(): void {
    this.poll = setInterval(() => {
      this.isPollDue = true;
      this.schedule();
    }, this.deps.pollMs);
    this.schedule();
  }

  /** This process has written events of the run; costs nothing where the tenant has no sink. */
  wake(tenantUid: TenantUid, runUid: RunUid): void {
    const known = this.news.get(tenantUid);
    if (known === undefined) return;
    known.add(runUid);
    this.schedule();
  }

  /** Lets what is under way end, and breaks it off after a while; it is sent again by another, with the same id. */
  async stop(): Promise<void> {
    this.isStopping = true;
    clearInterval(this.poll);
    if (this.next !== undefined) clearImmediate(this.next);
    const breakOff = setTimeout(() => this.broken.abort(), this.deps.drainMs);
    await this.looking;
    await Promise.all(this.working);
    clearTimeout(breakOff);
  }

  private schedule(): void {
    if (this.next !== undefined || this.isLooking || this.isStopping) return;
    this.next = setImmediate(() => {
      this.next = undefined;
      this.isLooking = true;
      this.looking = this.look()
        .catch((caught: unknown) => this.deps.onFault(caught, undefined))
        .finally(() => {
          this.isLooking = false;
          if (this.isPollDue || [...this.news.values()].some((runs) => runs.size > 0) || this.canTakeMore())
            this.schedule();
        });
    });
  }

  private canTakeMore(): boolean {
    return [...this.sinks.values()].some((state) => state.hasMore && freePlaces(state) > 0);
  }

  private async look(): Promise<void> {
    const isPoll = this.isPollDue;
    this.isPollDue = false;
    if (isPoll) await this.readSinks();
    const keys = [...this.takeNews(), ...(await this.findDue(isPoll))];
    if (keys.length > 0) await this.lease(keys);
    if (isPoll) await this.takeLetters();
  }

  private async readSinks(): Promise<void> {
    const found = await this.deps.store.activeSinks();
    const names = new Set(found.map(keyOf));
    for (const key of this.sinks.keys()) if (!names.has(key)) this.sinks.delete(key);
    for (const sink of found) {
      const known = this.sinks.get(keyOf(sink));
      try {
        const secrets = known?.sink.version === sink.version ? known.secrets : await this.openSecrets(sink);
        if (known === undefined) this.sinks.set(keyOf(sink), newState(sink, secrets));
        else Object.assign(known, { sink, secrets });
      } catch (caught) {
        this.sinks.delete(keyOf(sink));
        this.deps.onFault(caught, sink.name);
      }
    }
    const tenants = new Set(found.map(({ tenantUid }) => tenantUid));
    for (const tenantUid of this.news.keys()) if (!tenants.has(tenantUid)) this.news.delete(tenantUid);
    for (const tenantUid of tenants) if (!this.news.has(tenantUid)) this.news.set(tenantUid, new Set());
  }

  private async openSecrets({ tenantUid, name, secret }: ActiveSink): Promise<WebhookSecrets> {
    return readSecrets(await this.deps.vault.open({ tenantUid, sink: name }, secret));
  }

  /** Runs that this process wrote to; what finds no place is found by the next look. */
  private takeNews(): readonly DeliveryKey[] {
    const keys: DeliveryKey[] = [];
    for (const state of this.sinks.values()) {
      const { tenantUid, name } = state.sink;
      let free = freePlaces(state);
      for (const runUid of this.news.get(tenantUid) ?? []) {
        const underWay = state.underWay.get(runUid);
        if (underWay !== undefined) underWay.isStale = true;
        else if (free > 0) {
          keys.push({ tenantUid, sink: name, runUid });
          free -= 1;
        } else state.hasMore = true;
      }
    }
    for (const runs of this.news.values()) runs.clear();
    return keys;
  }

  private async findDue(isPoll: boolean): Promise<readonly DeliveryKey[]> {
    const states = [...this.sinks.values()].filter((state) => (isPoll || state.hasMore) && freePlaces(state) > 0);
    if (states.length === 0) return [];
    const walks = states.map(({ sink: { tenantUid, name: sink }, after }) => ({ tenantUid, sink, after }));
    const found = await this.deps.store.find(walks, MAX_SCANNED);
    return states.flatMap((state, index) => {
      const { due = [], walkedTo } = found[index] ?? {};
      const open = due.filter((runUid) => !state.underWay.has(runUid));
      const taken = open.slice(0, freePlaces(state));
      const isCut = taken.length < open.length;
      state.after = isCut ? taken.at(-1) : walkedTo;
      state.hasMore = isCut;
      const { tenantUid, name: sink } = state.sink;
      return taken.map((runUid) => ({ tenantUid, sink, runUid }));
    });
  }

  private async lease(keys: readonly DeliveryKey[]): Promise<void> {
    const claimedAtMs = this.deps.monotonicMs();
    for (const claim of await this.deps.store.claim(keys, this.deps.leaseMs)) {
      const state = this.sinks.get(keyOf({ tenantUid: claim.tenantUid, name: claim.sink }));
      if (state === undefined) continue;
      const { sink, secrets } = state;
      this.work(state, this.deliver(state, { claim, sink, secrets, claimedAtMs }));
    }
  }

  private async deliver(state: SinkState, run: LeasedRun): Promise<void> {
    const { tenantUid, runUid } = run.claim;
    const underWay = { isStale: false };
    state.underWay.set(runUid, underWay);
    const signals = { isStopping: () => this.isStopping, aborted: this.broken.signal };
    try {
      await this.deliverRun(run, signals, (result) => this.observe(state, result));
    } finally {
      state.underWay.delete(runUid);
      if (underWay.isStale) this.wake(tenantUid, runUid);
    }
  }

  private async takeLetters(): Promise<void> {
    const wanted = [...this.sinks.values()].flatMap((state) => {
      const limit = Math.min(MAX_LETTERS - state.letters, freePlaces(state));
      const { tenantUid, name: sink } = state.sink;
      return limit > 0 ? [{ tenantUid, sink, limit }] : [];
    });
    if (wanted.length === 0) return;
    for (const letter of await this.deps.store.claimLetters(wanted, this.deps.leaseMs)) {
      const state = this.sinks.get(keyOf({ tenantUid: letter.tenantUid, name: letter.sink }));
      if (state !== undefined) this.work(state, this.sendLetter(state, letter));
    }
  }

  private async sendLetter(state: SinkState, letter: ClaimedLetter): Promise<void> {
    const { send, retry, jitter, store } = this.deps;
    const { sink, secrets } = state;
    state.letters += 1;
    try {
      const id = deliveryId(letter.runUid, letter.seq);
      const result = await send({ sink, secrets, id, body: letter.body }, this.broken.signal);
      this.observe(state, result);
      const delayMs = result.ok ? undefined : nextTryMs(retry, result, letter.attempts + 1, jitter());
      await store.endLetter(letter, { fault: result.ok ? undefined : result.fault, delayMs });
    } finally {
      state.letters -= 1;
    }
  }

  private work(state: SinkState, work: Promise<void>): void {
    const watched: Promise<void> = work
      .catch((caught: unknown) => this.deps.onFault(caught, state.sink.name))
      .finally(() => {
        this.working.delete(watched);
        if (state.hasMore) this.schedule();
      });
    this.working.add(watched);
  }

  /** Each failure halves a sink's places, down to one by which it is asked again; each success doubles them. */
  private observe(state: SinkState, result: SendResult): void {
    state.places = result.ok ? Math.min(state.places * 2, MAX_PLACES) : Math.ceil(state.places / 2);
    this.deps.onResult(result.ok ? "acknowledged" : "failed");
  }
}

function newState(sink: ActiveSink, secrets: WebhookSecrets): SinkState {
  return { sink, secrets, underWay: new Map(), letters: 0, places: MAX_PLACES, after: undefined, hasMore: false };
}

function freePlaces({ places, underWay, letters }: SinkState): number {
  return Math.max(0, places - underWay.size - letters);
}

function keyOf({ tenantUid, name }: Pick<ActiveSink, "tenantUid" | "name">): string {
  return `${tenantUid}/${name}`;
}
