/**
 * The embedded PostgreSQL: the first process on a home folder starts it, later ones join, the last one out stops it.
 *
 * In: a home folder. Out: a connection that stays good while we run; if the server dies, whoever notices restarts it.
 * Not here: files (place.ts), making the cluster (cluster.ts), the process (postmaster.ts), the locks (presence.ts).
 */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { statfs } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { systemClock } from "../../core/clock.ts";
import { StepgateError } from "../../core/errors.ts";
import type { StoreLog } from "../log.ts";
import { type Binaries, findBinaries } from "./binaries.ts";
import { ensureCluster } from "./cluster.ts";
import { openPlace, type Place } from "./place.ts";
import {
  isPostmasterAlive,
  logPath,
  readPostmasterPid,
  setAsideRecycledLocks,
  signalPostmaster,
  spawnPostmaster,
} from "./postmaster.ts";
import { connectionOf, type EmbeddedConnection, type Presence, type Role, tryJoin } from "./presence.ts";
import { absent } from "./private-files.ts";

/** What a person waits for, in order; a later start skips most of it. */
export type EmbeddedProgress = "copying_programs" | "creating_cluster" | "starting" | "recovering" | "ready";

export interface EmbeddedOptions {
  /** The product's home folder: made if missing, ours, 0700. */
  readonly home: string;
  readonly log: StoreLog;
  readonly onProgress?: (progress: EmbeddedProgress) => void;
  /** Ends a start that takes too long; what it leaves behind the next start uses or removes. */
  readonly signal?: AbortSignal;
  /** Folders under which root's server may live; the default ones survive a reboot. */
  readonly rootParents?: readonly string[];
}

const POLL_MS = 20;
/** Without any sign of life; a server that recovers says so, and is waited for. */
const SILENCE_LIMIT_MS = 60_000;
/** An ordinary start takes a fraction of this. */
const LONG_START_MS = 1000;
/** A server that ends at once five times will not start the sixth time. */
const MAX_FAILED_STARTS = 5;
const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 5000;
/** PostgreSQL recovers into one more segment of its log, and cannot start without room for it. */
const LOG_SEGMENT_BYTES = 16 * 1024 * 1024;
/** A fast shutdown writes one checkpoint. */
const STOP_LIMIT_MS = 60_000;

/**
 * Starts, joins or adopts the server of a home folder and returns when it answers.
 *
 * First start ~1 s (initdb), later ~0.15 s, joining ~0.05 s.
 *
 * @throws {StepgateError} EMBEDDED_UNSUPPORTED, EMBEDDED_FAILED, DISK_FULL, HOME_UNSAFE, KEY_FILE_UNSAFE; the signal's reason.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const { home, signal, onProgress = () => undefined } = options;
  const place = await openPlace(home, options.rootParents);
  const binaries = await findBinaries(place, () => onProgress("copying_programs"));
  await ensureCluster({ place, binaries, signal, onCreate: () => onProgress("creating_cluster") });
  const server = new EmbeddedServer({ place, binaries, log: options.log });
  await server.start(onProgress, signal);
  return server;
}

export class EmbeddedServer {
  readonly connection: EmbeddedConnection;
  readonly dataDirectory: string;
  private readonly place: Place;
  private readonly binaries: Binaries;
  private readonly log: StoreLog;
  private readonly stopping = new AbortController();
  private presence: Presence | undefined;
  private joined: Pick<Presence, "role" | "version"> = { role: "member", version: "" };
  private child: ChildProcess | undefined;
  private watch: Promise<void> = Promise.resolve();

  constructor(parts: { readonly place: Place; readonly binaries: Binaries; readonly log: StoreLog }) {
    this.place = parts.place;
    this.binaries = parts.binaries;
    this.log = parts.log;
    this.connection = connectionOf(parts.place);
    this.dataDirectory = parts.place.dataDirectory;
  }

  /** As of the last time we joined: after a crash another process may own the restarted server. */
  get role(): Role {
    return this.joined.role;
  }

  get version(): string {
    return this.joined.version;
  }

  /** Tells whether the server answers now; false while it is being restarted. */
  get isReady(): boolean {
    return this.presence !== undefined;
  }

  /**
   * Joins the server, starting it if nobody has. Called by `startEmbedded`, once.
   *
   * @throws {StepgateError} EMBEDDED_FAILED when it does not start, DISK_FULL for want of room; the signal's reason.
   */
  async start(onProgress: (progress: EmbeddedProgress) => void, signal?: AbortSignal): Promise<void> {
    try {
      this.enter(await this.join(onProgress, signal));
    } catch (caught) {
      await this.stopOwnChild();
      signal?.throwIfAborted();
      throw caught;
    }
    onProgress("ready");
  }

  /**
   * Leaves the server; the last one out stops it (fast shutdown: open transactions are rolled back, all is written).
   *
   * @throws {StepgateError} EMBEDDED_FAILED when it does not stop.
   */
  async stop(): Promise<void> {
    if (this.stopping.signal.aborted) return await this.watch;
    this.stopping.abort();
    const { presence } = this;
    const leaving = presence === undefined ? this.stopOwnChild() : this.leave(presence);
    this.watch = Promise.allSettled([this.watch, leaving]).then(() => undefined);
    await leaving;
    await this.watch;
  }

  private async leave(presence: Presence): Promise<void> {
    try {
      if (await presence.leave()) await this.stopServer();
    } catch (caught) {
      // the connection broke while we were leaving: the server is down, or others will find it an orphan
      if (caught instanceof StepgateError) throw caught;
      this.log.warn({ err: caught }, "left the embedded PostgreSQL without a goodbye");
    } finally {
      await presence.close();
    }
  }

  /** It is down or still recovering: nobody uses it, so a process we started must not stay behind. */
  private async stopOwnChild(): Promise<void> {
    const { child } = this;
    if (child === undefined || !isRunning(child)) return;
    const ended = once(child, "exit");
    child.ref();
    child.kill("SIGINT");
    await ended;
  }

  private async stopServer(): Promise<void> {
    const pid = await readPostmasterPid(this.place);
    if (pid === undefined) return;
    signalPostmaster(pid, "SIGINT");
    if (await this.waitUntilGone(pid)) return;
    // immediate: loses nothing that was acknowledged, the next start recovers
    signalPostmaster(pid, "SIGQUIT");
    if (!(await this.waitUntilGone(pid))) {
      throw new StepgateError("EMBEDDED_FAILED", { reason: "the server does not stop", pid });
    }
  }

  /** The server takes its lock file away as its last act; a pid alone can linger as a zombie or be someone else's. */
  private async waitUntilGone(pid: number): Promise<boolean> {
    const deadlineMs = systemClock.monotonicMs() + STOP_LIMIT_MS;
    while (systemClock.monotonicMs() < deadlineMs) {
      if ((await readPostmasterPid(this.place)) !== pid || !(await isPostmasterAlive(this.place))) return true;
      await delay(POLL_MS);
    }
    return false;
  }

  private enter(presence: Presence): void {
    this.presence = presence;
    this.joined = presence;
    this.watch = presence.lost.then(() => this.recover());
  }

  /** The server died, or somebody stopped it: any process that still uses it starts it again; its lock lets one win. */
  private async recover(): Promise<void> {
    this.presence = undefined;
    const { signal } = this.stopping;
    for (let backoffMs = FIRST_BACKOFF_MS; !signal.aborted; backoffMs = Math.min(backoffMs * 2, MAX_BACKOFF_MS)) {
      this.log.warn({ log: logPath(this.place) }, "the embedded PostgreSQL is gone; starting it again");
      try {
        const presence = await this.join(() => undefined, signal);
        this.log.info({ role: presence.role }, "the embedded PostgreSQL answers again");
        // a stop that came just now found no presence to leave with
        if (signal.aborted) return await this.leave(presence);
        return this.enter(presence);
      } catch (caught) {
        if (signal.aborted) return;
        this.log.error({ err: caught, backoffMs }, "the embedded PostgreSQL does not start");
        await delay(backoffMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  private async join(onProgress: (progress: EmbeddedProgress) => void, signal?: AbortSignal): Promise<Presence> {
    const startedMs = systemClock.monotonicMs();
    let lastSignMs = startedMs;
    let failedStarts = 0;
    for (;;) {
      signal?.throwIfAborted();
      const attempt = await tryJoin(this.place);
      if (attempt.kind === "joined") return attempt.presence;
      const nowMs = systemClock.monotonicMs();
      if (attempt.kind === "busy") {
        if (nowMs - startedMs > LONG_START_MS) onProgress("recovering");
        lastSignMs = nowMs;
      }
      if (attempt.kind === "absent" && !(await this.isStarting())) {
        if (failedStarts === MAX_FAILED_STARTS) throw await this.notStarting("it ends at once");
        if (failedStarts > 0) await delay(FIRST_BACKOFF_MS * 2 ** failedStarts, undefined, { signal });
        failedStarts += 1;
        onProgress("starting");
        await this.spawn();
      }
      if (nowMs - lastSignMs > SILENCE_LIMIT_MS) throw await this.notStarting("it does not answer");
      await delay(POLL_MS, undefined, { signal });
    }
  }

  /** Our own child runs, or another process's server holds the data folder and will answer soon. */
  private async isStarting(): Promise<boolean> {
    if (this.child !== undefined && isRunning(this.child)) return true;
    return await isPostmasterAlive(this.place);
  }

  private async spawn(): Promise<void> {
    const count = await setAsideRecycledLocks(this.place);
    if (count > 0) this.log.warn({ count }, "set stale lock files aside: their process ids belong to other programs");
    this.child = await spawnPostmaster(this.place, this.binaries);
    this.log.info({ serverPid: this.child.pid ?? 0, data: this.dataDirectory }, "starting the embedded PostgreSQL");
  }

  private async notStarting(reason: string): Promise<StepgateError> {
    const disk = await statfs(this.dataDirectory).catch(absent);
    if (disk !== undefined && disk.bavail * disk.bsize < LOG_SEGMENT_BYTES)
      return new StepgateError("DISK_FULL", { path: this.dataDirectory });
    return new StepgateError("EMBEDDED_FAILED", { reason, log: logPath(this.place) });
  }
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}
