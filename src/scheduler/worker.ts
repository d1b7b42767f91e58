/**
 * The worker: claims as many ready steps as it has permits, sends each through the gate, keeps its lease, reaps the dead.
 *
 * One process, one worker id, one lease. A claim error is logged and backed off, readiness turns false, the worker goes on.
 * Not here: what happens to a step (run-step.ts), how batches form (batcher.ts).
 */
import type { Clock } from "../core/clock.ts";
import { isStepgateError, StepgateError } from "../core/errors.ts";
import { type FailPoints, failPoint } from "../core/fail-point.ts";
import type { LeaseEpoch } from "../core/ids.ts";
import { within, withinEach } from "../core/within.ts";
import type { StepAddress } from "../gate/settlement.ts";
import type { DatabaseClock } from "./database-clock.ts";
import type { Leases } from "./leases.ts";
import { type LookPause, makeLookPause } from "./look-pause.ts";
import type { OpenedStep } from "./open-steps.ts";
import type { ClaimedStep, Queue, TenantSteps, WakeSignal } from "./ports.ts";

export interface WorkerSettings {
  readonly maxConcurrentSteps: number;
  readonly claimBatchSize: number;
  readonly leaseMs: number;
  readonly idleBackoffMs: number;
  readonly activeBackoffMs: number;
  readonly reaperIntervalMs: number;
  /** Most steps whose time is up that are ended at once. */
  readonly requeueBatchSize: number;
  readonly drainMs: number;
  /** How long an aborted execution may take to end. */
  readonly abortGraceMs: number;
  /** How long a port may take to answer; longer than any bound of its own. */
  readonly answerMaxMs: number;
}

export interface WorkerLog {
  readonly info: (fields: object, message: string) => void;
  readonly warn: (fields: object, message: string) => void;
  readonly error: (fields: object, message: string) => void;
}

export interface WorkerDeps {
  readonly queue: Queue;
  readonly types: readonly string[];
  readonly open: (claimed: readonly ClaimedStep[]) => Promise<readonly OpenedStep[]>;
  readonly runStep: (opened: OpenedStep) => Promise<void>;
  /** Ends a step whose time is up; nothing of it is performed. */
  readonly endOverdue: (opened: OpenedStep) => Promise<void>;
  readonly reap: () => Promise<number>;
  /** Steps that were put back for want of a place since this was asked before. */
  readonly takePutBack: () => readonly TenantSteps[];
  readonly leases: Leases;
  readonly clock: Clock;
  readonly databaseClock: DatabaseClock;
  readonly wakeSignal: WakeSignal;
  readonly failPoints: FailPoints;
  readonly settings: WorkerSettings;
  readonly log: WorkerLog;
  readonly onClaim: (claimed: readonly ClaimedStep[]) => void;
}

const CANCEL_POLL_MS = 250;
/** Of a lease, counted from when it was asked for. */
const HELD_SHARE = 5 / 6;
/** How long a step waits that met a failure of our own; what failed it is not over at once. */
const ABANDON_DELAY_MS = 1000;

export class Worker {
  private readonly deps: WorkerDeps;
  private readonly timers: NodeJS.Timeout[] = [];
  /** Periodic tasks under way. */
  private readonly tasks = new Set<Promise<unknown>>();
  /** Steps that met a failure of our own and are still leased: this worker lives, so their lease would never lapse. */
  private readonly abandoned = new Set<StepAddress>();
  /** Epochs of the steps on their way through the gate. */
  private readonly held = new Set<LeaseEpoch>();
  private sweepDueMs = Number.NEGATIVE_INFINITY;
  private inUse = 0;
  /** Steps whose time is up are looked for before the next claim; set with every reaping. */
  private isOverdueDue = true;
  /** Such steps that are being ended; of those in use. */
  private overdue = 0;
  private readonly overduePause: LookPause;
  /** A step that was lost before is in hand, and nothing may join it. */
  private isAlone = false;
  /** Such a step waits for this worker: nothing more is claimed until nothing is in hand. */
  private isEmptying = false;
  /** The claim before gave such a step: the others have a turn before the next one. */
  private hasHadAlone = false;
  /** The next claim looks behind whatever waits; set with every reaping. */
  private isDeepDue = true;
  /** Until it is over, a claim is deep only where the one before it found nothing. */
  private readonly deepPause: LookPause;
  private hasFound = false;
  private isStopping = false;
  private isHealthy = false;
  private isWoken = false;
  /** Nothing is claimed before something in hand ends. */
  private isFull = false;
  /** A lease that is given anew may come with a new row. */
  private hasSaidTypes = false;
  private endSleep: () => void = () => undefined;
  private loop: Promise<void> = Promise.resolve();
  private stopListening: () => void = () => undefined;

  constructor(deps: WorkerDeps) {
    // a queue that never answers must cost neither a permit nor the loop
    this.deps = { ...deps, queue: withinEach(deps.settings.answerMaxMs, deps.queue) };
    this.overduePause = makeLookPause(deps.clock);
    this.deepPause = makeLookPause(deps.clock);
  }

  /** Takes a lease and begins to claim. @throws {StepgateError} STORE_UNAVAILABLE when the database does not answer. */
  async start(): Promise<void> {
    const { leaseMs, reaperIntervalMs } = this.deps.settings;
    await this.extendLease();
    this.stopListening = this.deps.wakeSignal.onReady(() => this.wake());
    this.every(leaseMs / 3, () => this.extendLease());
    // a database that says nothing at all must not keep us past our lease
    this.every(leaseMs / 12, async () => this.deps.leases.checkTime());
    this.every(reaperIntervalMs, async () => {
      await this.giveUpAbandoned();
      this.isDeepDue = true;
      this.isOverdueDue = true;
      if ((await this.deps.reap()) > 0) this.wake();
      if (this.inUse > 0 && !this.isAlone) this.isEmptying = await this.deps.queue.shouldEmpty(this.deps.types);
    });
    this.every(CANCEL_POLL_MS, async () => {
      const runs = this.deps.leases.runs();
      if (runs.length > 0) this.deps.leases.cancelRuns(await this.deps.queue.findCancelled(runs));
    });
    this.loop = this.claimLoop();
  }

  /** Whether the last claim reached the database. */
  isReady(): boolean {
    return this.isHealthy && !this.isStopping;
  }

  /** Stops claiming, lets what runs end for `drainMs`, aborts the rest and gives up the lease. */
  async stop(): Promise<void> {
    this.isStopping = true;
    this.stopListening();
    this.wake();
    await this.loop;
    const { drainMs, abortGraceMs } = this.deps.settings;
    await this.untilIdle(drainMs);
    for (const timer of this.timers) clearInterval(timer);
    this.deps.leases.loseAll();
    // what was aborted stops its programs and gives up its steps while the database is still open to us
    await this.untilIdle(abortGraceMs);
    await Promise.all(this.tasks);
    // what was not started goes back at once, what was is closed as lost by whoever reaps next
    try {
      if ((await this.deps.queue.endLease()) > 0) this.deps.wakeSignal.ready();
    } catch (caught) {
      this.deps.log.warn({ err: caught }, "the lease was not given up");
    }
  }

  private async untilIdle(maxMs: number): Promise<void> {
    const { clock } = this.deps;
    const endMs = clock.monotonicMs() + maxMs;
    while (this.inUse > 0 && clock.monotonicMs() < endMs) await this.sleep(10);
  }

  private async claimLoop(): Promise<void> {
    const { settings, queue, types, log } = this.deps;
    while (!this.isStopping) {
      if (this.isOverdueTurn()) await this.takeOverdue();
      const isIdle = this.inUse === 0;
      const free = this.isAlone || (this.isEmptying && !isIdle) ? 0 : settings.maxConcurrentSteps - this.inUse;
      this.isFull = free <= 0;
      if (this.isFull) {
        await this.sleep(settings.activeBackoffMs);
        continue;
      }
      try {
        await this.sweepWhenDue();
        const putBack = this.deps.takePutBack();
        if (putBack.length > 0) await queue.chargePutBack(types, putBack);
        const maxSteps = Math.min(free, settings.claimBatchSize);
        const askedMs = this.deps.clock.monotonicMs();
        const isDeep = this.isDeepDue && (!this.hasFound || this.deepPause.isOver());
        const isTurnOfOthers = this.hasHadAlone;
        const claimed = await queue.claim({ types, maxSteps, isIdle: isIdle && !isTurnOfOthers, isDeep });
        if (!areAddressed(claimed)) throw new StepgateError("ANSWER_MALFORMED", { part: "claim" });
        this.isDeepDue &&= !isDeep;
        this.hasFound = claimed.length > 0;
        if (isDeep) this.deepPause.looked(askedMs);
        this.isHealthy = true;
        if (isIdle) this.isEmptying = false;
        this.hasHadAlone = claimed[0]?.isAlone === true;
        if (claimed.length > 0) {
          failPoint(this.deps.failPoints, "after_claim");
          this.deps.onClaim(claimed);
          this.isAlone = this.hasHadAlone;
          void this.begin(claimed, askedMs, this.deps.runStep);
        }
        // no more is due than was given: whoever makes something ready says so
        if (claimed.length < maxSteps && !this.isAlone && !isTurnOfOthers) await this.sleep(settings.idleBackoffMs);
      } catch (caught) {
        this.isHealthy = false;
        // it may have been committed all the same, and nobody else would look after what it leased
        this.sweepDueMs = Number.NEGATIVE_INFINITY;
        log.warn({ err: caught }, "claiming failed");
        if (isStepgateError(caught, "STATE_CONFLICT")) await this.regainLease();
        await this.sleep(settings.idleBackoffMs);
      }
    }
  }

  private isOverdueTurn(): boolean {
    return this.isOverdueDue && this.overdue === 0 && this.overduePause.isOver();
  }

  /** Between claims, as the sweep: what it leases is known before anybody asks what this worker holds. Takes no permits. */
  private async takeOverdue(): Promise<void> {
    const { queue, settings, clock, log, endOverdue } = this.deps;
    this.isOverdueDue = false;
    try {
      const askedMs = clock.monotonicMs();
      const claimed = await queue.claimOverdue(settings.requeueBatchSize);
      if (!areAddressed(claimed)) throw new StepgateError("ANSWER_MALFORMED", { part: "claim_overdue" });
      // a full batch may have left some; the next is taken when these are ended
      this.isOverdueDue = claimed.length === settings.requeueBatchSize;
      if (!this.isOverdueDue) this.overduePause.looked(askedMs);
      if (claimed.length === 0) return;
      this.overdue = claimed.length;
      void this.begin(claimed, askedMs, endOverdue).finally(() => {
        this.overdue = 0;
      });
    } catch (caught) {
      this.sweepDueMs = Number.NEGATIVE_INFINITY;
      log.warn({ err: caught }, "steps whose time is up could not be taken");
    }
  }

  private begin(claimed: readonly ClaimedStep[], askedMs: number, act: WorkerDeps["runStep"]): Promise<void> {
    const [first] = claimed;
    if (first !== undefined) this.deps.databaseClock.observe(first.nowMs, askedMs);
    this.inUse += claimed.length;
    for (const { leaseEpoch } of claimed) this.held.add(leaseEpoch);
    return this.runAll(claimed, act);
  }

  private async runAll(claimed: readonly ClaimedStep[], act: WorkerDeps["runStep"]): Promise<void> {
    let opened: readonly OpenedStep[] = [];
    try {
      opened = await within(this.deps.settings.answerMaxMs, "open", this.deps.open(claimed));
    } catch (caught) {
      // nothing is settled for a failure of our own: the steps are claimed again
      this.deps.log.error({ err: caught, steps: claimed.length }, "claimed steps could not be opened");
      await this.abandon(claimed);
      for (const { leaseEpoch } of claimed) this.held.delete(leaseEpoch);
    }
    this.release(claimed.length - opened.length);
    await Promise.all(
      opened.map(async (step) => {
        try {
          await act(step);
        } catch (caught) {
          this.deps.log.error({ err: caught, run: step.step.runUid, step: step.step.stepId }, "a step was given up");
          await this.abandon([step.step]);
        } finally {
          this.held.delete(step.step.leaseEpoch);
          this.release(1);
        }
      }),
    );
  }

  private release(steps: number): void {
    this.inUse -= steps;
    if (this.inUse === 0) this.isAlone = false;
    if (this.isFull) this.wake();
  }

  private async abandon(steps: readonly StepAddress[]): Promise<void> {
    for (const { tenantUid, runUid, stepId, leaseEpoch } of steps) {
      this.abandoned.add({ tenantUid, runUid, stepId, leaseEpoch });
    }
    // what fails now is tried again with every reaping
    await this.giveUpAbandoned().catch((caught: unknown) =>
      this.deps.log.warn({ err: caught, steps: this.abandoned.size }, "steps could not be given up yet"),
    );
  }

  private async giveUpAbandoned(): Promise<void> {
    for (const address of this.abandoned) {
      await this.deps.queue.abandon(address, ABANDON_DELAY_MS);
      this.abandoned.delete(address);
    }
  }

  /**
   * Gives up what this worker holds in the database and does not know: leased by a claim, or started by an admission,
   * whose answer was lost. Its lease would never lapse while the worker lives. No claim is under way meanwhile.
   */
  private async sweepWhenDue(): Promise<void> {
    const { queue, clock, settings, log } = this.deps;
    if (clock.monotonicMs() < this.sweepDueMs) return;
    const known = new Set([...this.held, ...[...this.abandoned].map(({ leaseEpoch }) => leaseEpoch)]);
    const rows = await queue.findHeld();
    if (!areAddressed(rows)) throw new StepgateError("ANSWER_MALFORMED", { part: "find_held" });
    const unknown = rows.filter(({ leaseEpoch }) => !known.has(leaseEpoch));
    if (unknown.length > 0) log.warn({ steps: unknown.length }, "steps whose lease was not known are given up");
    await this.abandon(unknown);
    this.sweepDueMs = clock.monotonicMs() + settings.leaseMs / 3;
  }

  private async regainLease(): Promise<void> {
    try {
      await this.deps.reap();
      await this.extendLease();
    } catch (caught) {
      this.deps.log.warn({ err: caught }, "the lease could not be regained");
    }
  }

  private async extendLease(): Promise<void> {
    const { queue, types, settings, clock, leases, log } = this.deps;
    const askedMs = clock.monotonicMs();
    try {
      if ((await queue.extendLease(settings.leaseMs)) === true) {
        // lost by our own clock before the database would let others take the steps
        leases.hold(askedMs + settings.leaseMs * HELD_SHARE);
        if (!this.hasSaidTypes) await queue.sayTypes(types);
        this.hasSaidTypes = true;
        return;
      }
      // it is given again only once the reaper has taken every step that was held under the old one
      log.error({}, "the lease has lapsed: everything under way is aborted");
      this.isHealthy = false;
      this.hasSaidTypes = false;
      leases.loseAll();
    } catch (caught) {
      leases.checkTime();
      throw caught;
    }
  }

  private every(intervalMs: number, act: () => Promise<unknown>): void {
    let isBusy = false;
    this.timers.push(
      setInterval(() => {
        if (isBusy) return;
        isBusy = true;
        const task = within(this.deps.settings.answerMaxMs, "periodic", act())
          .catch((caught: unknown) => this.deps.log.warn({ err: caught }, "a periodic task failed"))
          .finally(() => {
            isBusy = false;
            this.tasks.delete(task);
          });
        this.tasks.add(task);
      }, intervalMs),
    );
  }

  /** Waits, or returns at once when something became ready since the last wait. */
  private async sleep(ms: number): Promise<void> {
    if (!this.isWoken) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.endSleep = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.isWoken = false;
  }

  private wake(): void {
    this.isWoken = true;
    this.endSleep();
  }
}

function areAddressed(steps: readonly StepAddress[]): boolean {
  return Array.isArray(steps) && steps.every((step: StepAddress) => Number.isSafeInteger(step?.leaseEpoch));
}
