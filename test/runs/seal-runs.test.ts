/** Seals of several runs at once: each is over all events of its own run, however long the log and however it was read. */
import t from "tap";
import type { RunEvent } from "../../src/core/event.ts";
import { noFailPoints } from "../../src/core/fail-point.ts";
import type { BatchId, Digest, RunUid, TenantUid } from "../../src/core/ids.ts";
import { signBatch } from "../../src/evidence/batch.ts";
import { eventMembers, makeHeadDigest } from "../../src/evidence/seal.ts";
import { readStatement } from "../../src/evidence/statement.ts";
import type { SealJob } from "../../src/runs/ports.ts";
import { makeSealRuns } from "../../src/runs/seal-runs.ts";
import { signerFromSeed } from "../capability/issuer.ts";
import { logOf } from "./log-fixture.ts";

const signer = signerFromSeed(3, "decision");

interface Sealed {
  readonly tenant: string;
  readonly run: string;
  /** Events of its log up to the terminal one. */
  readonly events: number;
}

/** A log of so many events whose last one ends the run, with one more of information behind it. */
function endedLog(runUid: RunUid, events: number): readonly RunEvent[] {
  const lines = Array.from({ length: events - 1 }, (_, n) => ["step_retry_scheduled", "a", { n }] as const);
  const ended = logOf([...lines, ["run_succeeded"], ["budget_warning", undefined, { late: true }]]);
  return ended.map((event) => ({ ...event, runUid }));
}

/** Seals these runs with a store in memory; head digests by run, and what was read how often. */
async function sealAll(runs: readonly Sealed[]) {
  const logs = new Map(runs.map(({ run, events }) => [run as RunUid, endedLog(run as RunUid, events)]));
  const tenants = new Map(runs.map(({ run, tenant }) => [run, tenant]));
  const reads = { together: 0, pages: 0, mostTogether: 0 };
  const of = (tenantUid: TenantUid, runUid: RunUid) =>
    tenants.get(runUid) === tenantUid ? (logs.get(runUid) ?? []) : [];
  let jobs: SealJob[] = runs.map(({ tenant, run }) => ({
    tenantUid: tenant as TenantUid,
    runUid: run as RunUid,
    runId: undefined,
    status: "succeeded",
    manifestId: "a".repeat(64) as Digest,
    finalSnapshotId: "b".repeat(64) as Digest,
    recordCounts: {},
  }));
  const heads = new Map<string, unknown>();
  const seal = makeSealRuns({
    store: {
      events: async ({ tenantUid, runUid, afterSeq, limit }) => {
        reads.pages += 1;
        return of(tenantUid, runUid)
          .filter(({ seq }) => seq > afterSeq)
          .slice(0, limit);
      },
      firstEvents: async (tenantUid, runUids, limitEach) => {
        reads.together += 1;
        reads.mostTogether = Math.max(reads.mostTogether, limitEach * runUids.length);
        return new Map(runUids.map((runUid) => [runUid, of(tenantUid, runUid).slice(0, limitEach)]));
      },
    },
    seals: {
      takeJobs: async (limit) => jobs.splice(0, limit),
      writeSeals: async (seals) => {
        for (const { runUid, record } of seals) {
          const { predicate } = readStatement(record.statement);
          heads.set(runUid, [predicate["events"], predicate["head_digest"]]);
        }
      },
    },
    signBatch: (_, ids) => signBatch(ids, signer, { batchId: "batch" as BatchId, instanceUid: "instance", nowMs: 0 }),
    nowMs: () => 0,
    failPoints: noFailPoints,
    onSealed: () => undefined,
  });
  const sealed = await seal();
  jobs = [];
  return { sealed, heads, reads, logs };
}

function headOf(log: readonly RunEvent[]): unknown {
  const head = makeHeadDigest();
  const events = log.slice(0, -1);
  for (const event of events) head.add(eventMembers(event));
  return [events.length, head.finish()];
}

t.test("runs of two tenants, short and long, are each sealed over all of their own events", async (t) => {
  const runs = [
    { tenant: "t1", run: "short", events: 3 },
    { tenant: "t1", run: "page", events: 999 },
    { tenant: "t1", run: "long", events: 2500 },
    { tenant: "t2", run: "other", events: 7 },
  ];
  const { sealed, heads, logs, reads } = await sealAll(runs);
  t.equal(sealed, runs.length);
  for (const { run } of runs) t.same(heads.get(run), headOf(logs.get(run as RunUid) ?? []), run);
  t.equal(reads.together, 2, "once a tenant");
});

t.test("the more runs are sealed together, the fewer events of each are read at once", async (t) => {
  const runs = Array.from({ length: 32 }, (_, n) => ({ tenant: "t1", run: `run-${n}`, events: n === 5 ? 300 : 4 }));
  const { heads, logs, reads } = await sealAll(runs);
  for (const { run } of runs) t.same(heads.get(run), headOf(logs.get(run as RunUid) ?? []), run);
  t.ok(reads.mostTogether <= 4000, `${reads.mostTogether} events at most`);
  t.equal(reads.together, 1);
  t.equal(reads.pages, 1, "only the long one is read on");
});
