/**
 * What processes tell each other through the database: that steps may be ready, and which runs have ended (NOTIFY).
 *
 * Sent in statements of their own, never in a transaction that writes: a NOTIFY holds a lock of the whole database until
 * its commit (durable.md §2.4). At most one every 5 ms, which says all that came up since the last. Heard on a connection
 * of its own. A pooler may swallow them without an error, so that each new connection is tested first; where none arrive,
 * everybody polls. Not here: what is done about a notice (main-rooms.ts).
 */
import { randomUUID } from "node:crypto";
import { systemClock } from "../core/clock.ts";
import type { StoreLog } from "./log.ts";
import type { OpenListener, Pool } from "./pool.ts";

export interface Notice {
  readonly isReady: boolean;
  /** Runs that have ended; undefined: some, too many to name. */
  readonly endedRuns: readonly string[] | undefined;
}

export interface NoticeDeps {
  readonly pool: Pick<Pool, "query">;
  readonly open: OpenListener;
  readonly onNotice: (notice: Notice) => void;
  readonly log: StoreLog;
  readonly settings?: Partial<typeof DEFAULTS>;
}

const CHANNEL = "stepgate";
const DEFAULTS = { intervalMs: 5, testMs: 1000, retryMs: 5000 };
/** A payload holds less than 8 000 bytes; a run's uid takes 37. */
const MAX_NAMED_RUNS = 200;

// durability is for what the notice tells of, which is committed already
const SEND = `select set_config('synchronous_commit', 'off', true), pg_notify($1, $2)`;

export class Notices {
  private readonly deps: NoticeDeps;
  private readonly settings: typeof DEFAULTS;
  private readonly sender = randomUUID();
  private readonly endedRuns = new Set<string>();
  private isReady = false;
  private lastSentMs = Number.NEGATIVE_INFINITY;
  private timer: NodeJS.Timeout | undefined;
  private retry: NodeJS.Timeout | undefined;
  private listener: { readonly close: () => Promise<void> } | undefined;
  private connecting: Promise<void> = Promise.resolve();
  private isStopped = false;
  private heardTest: () => void = () => undefined;

  constructor(deps: NoticeDeps) {
    this.deps = deps;
    this.settings = { ...DEFAULTS, ...deps.settings };
  }

  /** Whether notices of others arrive: the test of this connection was heard. */
  get isListening(): boolean {
    return this.listener !== undefined;
  }

  /** Connects and tests; where notices do not arrive, logs it and returns all the same. */
  async start(): Promise<void> {
    this.connecting = this.connect();
    await this.connecting;
  }

  /** Tells the other processes that steps may be ready. */
  ready(): void {
    this.isReady = true;
    this.schedule();
  }

  /** Tells the other processes that a run has ended. */
  ended(runUid: string): void {
    this.endedRuns.add(runUid);
    this.schedule();
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    clearTimeout(this.timer);
    clearTimeout(this.retry);
    await this.connecting;
    await this.listener?.close();
    this.listener = undefined;
  }

  private schedule(): void {
    if (this.timer !== undefined || this.isStopped) return;
    // a timer may fire up to a millisecond early
    const waitMs = Math.max(0, this.lastSentMs + this.settings.intervalMs + 1 - systemClock.monotonicMs());
    this.timer = setTimeout(() => void this.send(), waitMs);
  }

  private async send(): Promise<void> {
    this.timer = undefined;
    const runs = this.endedRuns.size > MAX_NAMED_RUNS ? ["*"] : [...this.endedRuns];
    const payload = [this.sender, this.isReady ? "ready" : "ended", ...runs].join(" ");
    this.isReady = false;
    this.endedRuns.clear();
    const sending = this.deps.pool.query(SEND, [CHANNEL, payload]);
    this.lastSentMs = systemClock.monotonicMs();
    // one that is lost costs the others a poll
    await sending.catch((caught: unknown) => this.deps.log.warn({ err: caught }, "a notice was not sent"));
  }

  private async connect(): Promise<void> {
    const { open, log } = this.deps;
    try {
      const listener = await open({
        channel: CHANNEL,
        onPayload: (payload) => this.hear(payload),
        onEnd: () => this.reconnect(),
      });
      if (this.isStopped || !(await this.isHeard())) {
        await listener.close();
        if (!this.isStopped) log.warn({}, "notices do not arrive through this database URL: workers poll instead");
        return;
      }
      this.listener = listener;
    } catch (caught) {
      log.warn({ err: caught }, "no connection for notices");
      this.reconnect();
    }
  }

  /** Whether a notice sent through the pool arrives on the connection that listens. */
  private async isHeard(): Promise<boolean> {
    const heard = new Promise<boolean>((resolve) => {
      this.heardTest = () => resolve(true);
      setTimeout(() => resolve(false), this.settings.testMs);
    });
    await this.deps.pool.query(SEND, [CHANNEL, `${this.sender} test`]);
    return heard;
  }

  private reconnect(): void {
    this.listener = undefined;
    if (this.isStopped) return;
    clearTimeout(this.retry);
    this.retry = setTimeout(() => {
      this.connecting = this.connect();
      // what was told meanwhile was not heard
      this.deps.onNotice({ isReady: true, endedRuns: undefined });
    }, this.settings.retryMs);
  }

  private hear(payload: string): void {
    const [sender, kind, ...runs] = payload.split(" ");
    if (sender === this.sender) {
      if (kind === "test") this.heardTest();
      return;
    }
    if (kind !== "ready" && kind !== "ended") return;
    this.deps.onNotice({ isReady: kind === "ready", endedRuns: runs[0] === "*" ? undefined : runs });
  }
}
