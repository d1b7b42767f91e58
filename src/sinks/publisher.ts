/**
 * The publisher of one worker: finds runs with events that a sink has not had, leases them, and has them delivered.
 *
 * Runs are found by walking through the deliveries of each sink, a slice at a time, and at once where this process has just
 * written an event. A sink has places of its own, fewer while it fails, so one that hangs holds up nobody else. Settlement
 * never waits for any of it. Not here: the order within a run (deliver-run.ts), what is leased (storage/).
 */
import type { RunUid, TenantUid } from "../core/ids.ts";
import type { TextVault } from "../core/vault.ts";
import { isApproved } from "./approved-hosts.ts";
import { deliveryId } from "./cloud-event.ts";
import { type DeliverDeps, makeDeliverRun, nextTryMs } from "./deliver-run.ts";
import type { ActiveSink, ClaimedDelivery, ClaimedLetter, DeliveryKey, DeliveryStore } from "./ports.ts";
import type { SendResult } from "./send-webhook.ts";
import { canGoOn, freeLetters, freePlaces, makeSinkWork, observe, type SinkWork, type Target } from "./sink-work.ts";
import { readSecrets } from "./webhook-secret.ts";

export interface PublisherDeps extends Omit<DeliverDeps, "store"> {
  readonly store: DeliveryStore;
  readonly vault: Pick<TextVault, "open">;
  /** How often sinks are read anew and each is looked through. */
  readonly pollMs: number;
  /** Deliveries of one sink that one look goes through, and runs of one sink that are remembered until they find a place. */
  readonly maxScanned: number;
  /** How long a stop waits for deliveries under way before it breaks them off. */
  readonly drainMs: number;
  readonly onResult: (outcome: "acknowledged" | "failed") => void;
  /** Once, when a sink is found whose host the platform does not approve (any more); what happens for it waits. */
  readonly onUnapproved: (sink: string) => void;
  /** Nothing is lost: what was leased is found again. */
  readonly onFault: (caught: unknown, sink: string | undefined) => void;
}

export class Publisher {
  private readonly deps: PublisherDeps;
  private readonly deliverRun: ReturnType<typeof makeDeliverRun>;
  private readonly sinks = new Map<string, SinkWork>();
  private unapproved: ReadonlySet<string> = new Set();
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
      this.looking = this.lookOnce();
    });
  }

  private async lookOnce(): Promise<void> {
    let hasMore = false;
    try {
      await this.look();
      hasMore = [...this.news.values()].some((runs) => runs.size > 0) || [...this.sinks.values()].some(canGoOn);
    } catch (caught) {
      // the next poll tries again: at once would be without end while the database is away
      this.deps.onFault(caught, undefined);
    }
    this.isLooking = false;
    if (hasMore || this.isPollDue) this.schedule();
  }

  private async look(): Promise<void> {
    const isPoll = this.isPollDue;
    this.isPollDue = false;
    if (isPoll) {
      await this.readSinks();
      for (const work of this.sinks.values()) work.isWalkDue = work.areLettersDue = true;
    }
    this.shareNews();
    await this.walk();
    await this.lease();
    await this.takeLetters();
  }

  private async readSinks(): Promise<void> {
    const found = await this.deps.store.activeSinks();
    const approved = found.filter(({ url, approved }) => URL.canParse(url) && isApproved(new URL(url), approved));
    this.noteUnapproved(found.filter((sink) => !approved.includes(sink)));
    const keys = new Set(approved.map(keyOf));
    for (const [key, work] of this.sinks) {
      if (keys.has(key)) continue;
      work.target = undefined;
      if (work.underWay.size + work.letters === 0) this.sinks.delete(key);
    }
    for (const sink of approved) {
      const work = this.sinks.get(keyOf(sink)) ?? makeSinkWork(sink);
      this.sinks.set(keyOf(sink), work);
      try {
        work.target = await this.targetOf(sink, work.target);
      } catch (caught) {
        work.target = undefined;
        this.deps.onFault(caught, sink.name);
      }
    }
    const tenants = new Set(approved.map(({ tenantUid }) => tenantUid));
    for (const tenantUid of this.news.keys()) if (!tenants.has(tenantUid)) this.news.delete(tenantUid);
    for (const tenantUid of tenants) if (!this.news.has(tenantUid)) this.news.set(tenantUid, new Set());
  }

  private noteUnapproved(sinks: readonly ActiveSink[]): void {
    for (const sink of sinks) if (!this.unapproved.has(keyOf(sink))) this.deps.onUnapproved(sink.name);
    this.unapproved = new Set(sinks.map(keyOf));
  }

  private async targetOf(sink: ActiveSink, known: Target | undefined): Promise<Target> {
    if (known?.sink.version === sink.version) return { sink, secrets: known.secrets };
    const { tenantUid, name, secret } = sink;
    return { sink, secrets: readSecrets(await this.deps.vault.open({ tenantUid, name }, secret)) };
  }

  /** Runs that this process wrote to; of those that are too many to be remembered the walk finds the rest. */
  private shareNews(): void {
    for (const work of this.sinks.values()) {
      for (const runUid of this.news.get(work.tenantUid) ?? []) {
        const underWay = work.underWay.get(runUid);
        if (underWay !== undefined) underWay.isStale = true;
        else if (work.waiting.size < this.deps.maxScanned) work.waiting.add(runUid);
      }
    }
    for (const runs of this.news.values()) runs.clear();
  }

  /** Looks through a slice of each sink that has places for more than is known to wait. */
  private async walk(): Promise<void> {
    const works = [...this.sinks.values()].filter((work) => work.isWalkDue && work.waiting.size < freePlaces(work));
    if (works.length === 0) return;
    const found = await this.deps.store.find(works, this.deps.maxScanned);
    for (const [index, work] of works.entries()) {
      const { due = [], walkedTo } = found[index] ?? {};
      for (const runUid of due) if (!work.underWay.has(runUid)) work.waiting.add(runUid);
      work.after = walkedTo;
      // goes on at once where it found something; else with the next poll
      work.isWalkDue = walkedTo !== undefined && due.length > 0;
    }
  }

  private async lease(): Promise<void> {
    const keys: DeliveryKey[] = [];
    for (const work of this.sinks.values()) {
      const { tenantUid, sink } = work;
      for (const runUid of [...work.waiting].slice(0, freePlaces(work))) {
        work.waiting.delete(runUid);
        keys.push({ tenantUid, sink, runUid });
      }
    }
    if (keys.length === 0) return;
    const claimedAtMs = this.deps.monotonicMs();
    for (const claim of await this.deps.store.claim(keys, this.deps.leaseMs)) {
      const work = this.sinks.get(keyOf({ tenantUid: claim.tenantUid, name: claim.sink }));
      if (work !== undefined) this.follow(work, this.deliver(work, claim, claimedAtMs));
    }
  }

  private async deliver(work: SinkWork, claim: ClaimedDelivery, claimedAtMs: number): Promise<void> {
    const { runUid } = claim;
    const underWay = { isStale: false };
    work.underWay.set(runUid, underWay);
    const signals = { isStopping: () => this.isStopping, aborted: this.broken.signal };
    try {
      await this.deliverRun({ claim, target: () => work.target, claimedAtMs }, signals, (result) =>
        this.observe(work, result),
      );
    } finally {
      work.underWay.delete(runUid);
      if (underWay.isStale) work.waiting.add(runUid);
    }
  }

  private async takeLetters(): Promise<void> {
    const wanted = [...this.sinks.values()].flatMap((work) => {
      const limit = work.areLettersDue ? freeLetters(work) : 0;
      return limit > 0 ? [{ work, limit, tenantUid: work.tenantUid, sink: work.sink }] : [];
    });
    if (wanted.length === 0) return;
    const letters = await this.deps.store.claimLetters(wanted, this.deps.leaseMs);
    for (const { work, limit, tenantUid, sink } of wanted) {
      const own = letters.filter((letter) => letter.tenantUid === tenantUid && letter.sink === sink);
      work.areLettersDue = own.length === limit;
      for (const letter of own) this.follow(work, this.sendLetter(work, letter));
    }
  }

  private async sendLetter(work: SinkWork, letter: ClaimedLetter): Promise<void> {
    const { send, retry, jitter, store } = this.deps;
    if (work.target === undefined) return;
    work.letters += 1;
    try {
      const id = deliveryId(letter.runUid, letter.seq);
      const result = await send({ ...work.target, id, body: letter.body }, this.broken.signal);
      this.observe(work, result);
      const delayMs = result.ok ? undefined : nextTryMs(retry, result, letter.attempts + 1, jitter());
      await store.endLetter(letter, { fault: result.ok ? undefined : result.fault, delayMs });
    } finally {
      work.letters -= 1;
    }
  }

  private follow(work: SinkWork, delivering: Promise<void>): void {
    const watched: Promise<void> = delivering
      .catch((caught: unknown) => this.deps.onFault(caught, work.sink))
      .finally(() => {
        this.working.delete(watched);
        if (canGoOn(work)) this.schedule();
      });
    this.working.add(watched);
  }

  private observe(work: SinkWork, { ok }: SendResult): void {
    observe(work, ok);
    this.deps.onResult(ok ? "acknowledged" : "failed");
  }
}

function keyOf({ tenantUid, name }: Pick<ActiveSink, "tenantUid" | "name">): string {
  return `${tenantUid}/${name}`;
}
