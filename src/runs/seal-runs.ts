/**
 * Sealing: once a run has ended, one signed record of what it consists of, so that nothing can be left out (spec 00, 04).
 *
 * In: jobs that ending transactions left. Out: seals. A process that dies over a job leaves it to the next one; there is
 * one seal per run whatever happens. Not here: the record's form (evidence/seal.ts).
 */
import { type RunEvent, TERMINAL_RUN_EVENTS } from "../core/event.ts";
import { type FailPoints, failPoint } from "../core/fail-point.ts";
import type { Digest, RecordId, RunUid, TenantUid } from "../core/ids.ts";
import { isRunEnded } from "../core/state.ts";
import type { SignBatch } from "../evidence/batch.ts";
import { buildSeal, eventMembers, makeHeadDigest, SEALED_KINDS, type SealedKind } from "../evidence/seal.ts";

import type { EventRow, RunStore, SealJob, SealStore } from "./ports.ts";

export interface SealDeps {
  readonly store: Pick<RunStore, "events" | "firstEvents">;
  readonly seals: SealStore;
  readonly signBatch: SignBatch;
  readonly nowMs: () => number;
  readonly failPoints: FailPoints;
  readonly onSealed: (runUid: RunUid) => void;
}

/**
 * How long a job is kept off others: about what a run of the largest log takes. One that takes longer is sealed by two, of
 * which the first to write wins; one whose process died waits no longer than this.
 */
const JOB_HOLD_MS = 5_000;
const EVENTS_PER_READ = 1000;
/** Of all runs of a tenant that are sealed together; most runs are short, and a reading each cost more than the rest. */
const EVENTS_TOGETHER = 4 * EVENTS_PER_READ;

/** Together in one transaction under one signature: a run of one step costs less to perform than a seal alone. */
const JOBS_AT_ONCE = 32;

/** Seals every run that is due; returns how many. */
export function makeSealRuns(deps: SealDeps): () => Promise<number> {
  return async () => {
    for (let sealed = 0; ; ) {
      const jobs = await deps.seals.takeJobs(JOBS_AT_ONCE, JOB_HOLD_MS);
      if (jobs.length === 0) return sealed;
      const made = await makeSeals(deps, jobs);
      const seals = made.filter((seal) => seal !== undefined);
      if (seals.length === 0) return sealed;
      failPoint(deps.failPoints, "before_seal");
      const batch = deps.signBatch(
        "decision",
        seals.map(({ record }) => record.id),
      );
      await deps.seals.writeSeals(seals, batch);
      failPoint(deps.failPoints, "after_seal");
      for (const { runUid } of seals) deps.onSealed(runUid);
      sealed += seals.length;
      if (jobs.length < JOBS_AT_ONCE) return sealed;
    }
  };
}

async function makeSeals(deps: SealDeps, jobs: readonly SealJob[]) {
  const byTenant = [...Map.groupBy(jobs, ({ tenantUid }) => tenantUid)];
  const made = await Promise.all(
    byTenant.map(async ([tenantUid, ofTenant]) => {
      const limitEach = Math.min(EVENTS_PER_READ, Math.ceil(EVENTS_TOGETHER / ofTenant.length));
      const runs = ofTenant.map(({ runUid }) => runUid);
      const first = await deps.store.firstEvents(tenantUid, runs, limitEach);
      return await Promise.all(
        ofTenant.map((job) => makeSeal(deps, job, { events: first.get(job.runUid) ?? [], limit: limitEach })),
      );
    }),
  );
  return made.flat();
}

async function makeSeal(deps: SealDeps, job: SealJob, first: FirstPage) {
  const { tenantUid, runUid, status, finalSnapshotId, recordCounts } = job;
  // the job is written with the end and its snapshot; a run without them has nothing to seal
  if (!isRunEnded(status) || finalSnapshotId === undefined) return undefined;
  const head = await digestLog(readLog(deps.store, tenantUid, runUid, first));
  const record = buildSeal({
    tenantUid,
    runUid,
    runId: job.runId,
    status: status === "succeeded" ? "succeeded" : status === "cancelled" ? "cancelled" : "failed",
    manifestId: job.manifestId,
    counts: Object.fromEntries(SEALED_KINDS.map((kind) => [kind, recordCounts[kind] ?? 0])) as Record<
      SealedKind,
      number
    >,
    events: head.count,
    headDigest: head.digest,
    openEffects: head.openEffects,
    finalSnapshotId,
    billOfMaterials: undefined,
    atMs: deps.nowMs(),
  });
  return { tenantUid, runUid, record };
}

interface LogHead {
  readonly digest: Digest;
  readonly count: number;
  /** Admissions whose effect is unknown: the attempt was lost. */
  readonly openEffects: readonly RecordId[];
}

async function digestLog(log: AsyncIterable<RunEvent>): Promise<LogHead> {
  const head = makeHeadDigest();
  const openEffects: RecordId[] = [];
  let count = 0;
  for await (const event of log) {
    head.add(eventMembers(event));
    count = event.seq;
    const { admission_record: admission, error_code: code } = event.data;
    const isOpen = event.type === "step_attempt_lost" || code === "abandoned";
    if (isOpen && typeof admission === "string") openEffects.push(admission as RecordId);
    // information may follow the terminal event, and is not part of what is sealed
    if (TERMINAL_RUN_EVENTS.includes(event.type)) break;
  }
  return { digest: head.finish(), count, openEffects };
}

/** The beginning of a log that was read already; it goes on where it is as long as its limit. */
interface FirstPage {
  readonly events: readonly EventRow[];
  readonly limit: number;
}

/** All events of a run in order, a thousand at a time. */
export async function* readLog(
  store: Pick<RunStore, "events">,
  tenantUid: TenantUid,
  runUid: RunUid,
  first?: FirstPage,
): AsyncGenerator<RunEvent> {
  let page = first;
  for (let afterSeq = 0; ; ) {
    page ??= {
      events: await store.events({ tenantUid, runUid, afterSeq, limit: EVENTS_PER_READ }),
      limit: EVENTS_PER_READ,
    };
    for (const event of page.events) yield { runUid, ...event };
    const last = page.events.at(-1);
    if (last === undefined || page.events.length < page.limit) return;
    afterSeq = last.seq;
    page = undefined;
  }
}
