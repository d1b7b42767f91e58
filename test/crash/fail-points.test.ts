/**
 * M3, T8, B5: a worker killed at every fail point of the path; another one finishes the run as if nothing had happened.
 *
 * The registry of core/fail-point.ts is iterated, so that a point that is added must be reached here or named as not yet
 * reached. Each kill is seen as SIGKILL, so that a point nobody reaches fails the test.
 */
import { appendFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { loadConfig } from "../../src/config/load-config.ts";
import { FAIL_POINTS, type FailPoint } from "../../src/core/fail-point.ts";
import type { RunUid } from "../../src/core/ids.ts";
import { startStepgate } from "../../src/main.ts";
import { makeLog } from "../../src/telemetry/logger.ts";
import { verifies } from "../acceptance/evidence-of.ts";
import { done, makeSink, packOf, type Rig, redactCard, startRig } from "../acceptance/rig.ts";
import { startWorker } from "../acceptance/workers.ts";
import { forEachDatabase, type TestDatabase } from "../storage/test-database.ts";

/** Points of parts that plain DAG runs do not pass: sinks (publishers.test.ts), facts, child runs. */
const ELSEWHERE: readonly FailPoint[] = ["before_publish", "after_publish", "after_fact", "after_child_spawn"];
const BEFORE_THE_EFFECT: readonly FailPoint[] = [
  "after_claim",
  "after_guardrails",
  "after_decide",
  "after_mint",
  "before_admit",
  "after_admit",
  "before_execute",
];
const SHORT = { STEPGATE_LEASE_MS: "700", STEPGATE_REAPER_INTERVAL_MS: "100" };
const tenant = { runtime_pack: "runtime", required_guardrails: [] };

t.test(
  "M3 T8 B5 a run whose worker is killed at any point ends as an undisturbed one, sealed once, its books right",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const folder = await mkdtemp(join(tmpdir(), "stepgate-crash-"));
      t.teardown(() => rm(folder, { recursive: true, force: true }));
      const effects = join(folder, "effects");
      const rig = await startRig(t, {
        database,
        packs: { runtime: redactCard },
        adapters: [makeSink(() => done(null)).adapter],
        tenant,
        env: { STEPGATE_ROLE: "gateway" },
      });
      const undisturbed = await submit(rig, effects);
      await finish(t, { rig, database, effects, runUid: undisturbed });
      const expected = await rig.ended(undisturbed);
      t.equal(expected.status, "succeeded");
      for (const point of FAIL_POINTS.filter((name) => !ELSEWHERE.includes(name))) {
        await t.test(point, async (t) => {
          const runUid = await submit(rig, effects);
          const doomed = await startWorker(t, { rig, database, env: { ...SHORT, STEPGATE_FAIL_POINT: point } });
          t.equal(await doomed.ended, "SIGKILL", "the point was reached");
          const before = await effectsOf(effects, runUid);
          if (BEFORE_THE_EFFECT.includes(point)) t.equal(before.length, 0, "nothing was called yet");
          await finish(t, { rig, database, effects, runUid });
          const run = await rig.ended(runUid);
          t.equal(run.status, "succeeded");
          t.equal(run.finalSnapshotId, expected.finalSnapshotId, "the same final snapshot");
          await booksAreRight(t, rig, runUid);
          await effectsWereAdmitted(t, rig, { runUid, effects });
          await verifies(t, rig, runUid);
        });
      }
    });
  },
);

/** A diamond with a redaction, reservations and references. */
function submit(rig: Rig, effects: string): Promise<RunUid> {
  const step = (id: string, inputs: Readonly<Record<string, string | number | object>> = {}) => ({
    id,
    type: "sink",
    inputs: { effects_file: effects, tokens: 3, ...inputs } as never,
    execution: { cost_hint: { tokens: 10 }, max_attempts: 1 },
  });
  return rig.submit({
    steps: [
      step("a", { card: "4111" }),
      step("b", { from: { $from: "a", pointer: "/step" } }),
      step("c"),
      step("d", {
        both: [
          { $from: "b", pointer: "/step" },
          { $from: "c", pointer: "/step" },
        ],
      }),
    ],
    edges: [
      ["a", "b"],
      ["a", "c"],
      ["b", "d"],
      ["c", "d"],
    ],
    budget: { tokens: 100 },
  });
}

/** Works in this process, without a fail point, until the run is sealed. */
async function finish(
  t: Test,
  {
    rig,
    database,
    effects,
    runUid,
  }: { readonly rig: Rig; readonly database: TestDatabase; readonly effects: string; readonly runUid: RunUid },
): Promise<void> {
  const { home } = rig.stepgate.rooms.config.instance;
  const loaded = loadConfig({ STEPGATE_HOME: home, STEPGATE_ROLE: "worker", STEPGATE_DRAIN_MS: "1000", ...SHORT });
  if (!loaded.ok) throw new TypeError(JSON.stringify(loaded.faults));
  const sink = makeSink(({ stepId, attempt, runUid: run }) => {
    appendFileSync(effects, `${process.pid} ${run} ${stepId} ${attempt}\n`);
    return done({ step: stepId }, { tokens: 3, usdMicros: 0 });
  });
  const worker = await startStepgate({
    config: loaded.config,
    log: makeLog({ level: "error" }),
    onProgress: () => undefined,
    parts: {
      packs: new Map([["runtime", packOf("runtime", redactCard)]]),
      adapters: [sink.adapter],
      database: database.target,
    },
  });
  try {
    await rig.ended(runUid);
  } finally {
    await worker.stop();
  }
  t.ok(worker, "another process finished it");
}

async function effectsOf(effects: string, runUid: RunUid): Promise<readonly string[]> {
  const text = await readFile(effects, "utf8").catch(() => "");
  return text.split("\n").flatMap((line) => {
    const [, run, step, attempt] = line.split(" ");
    return run === runUid ? [`${step} ${attempt}`] : [];
  });
}

async function booksAreRight(t: Test, rig: Rig, runUid: RunUid): Promise<void> {
  const [books] = await rig.rows(
    `select b.tokens_used as used, b.tokens_reserved as reserved,
            (select sum(actual_tokens)::bigint from stepgate.cost_ledger l where l.run_uid = b.run_uid) as ledger,
            (select count(*)::integer from stepgate.records r where r.run_uid = b.run_uid and r.kind = 'seal') as seals,
            (select count(*)::integer from stepgate.ready_steps q where q.run_uid = b.run_uid) as queued
       from stepgate.budgets b where b.run_uid = $1`,
    [runUid],
  );
  t.equal(books?.["used"], books?.["ledger"], "used is the sum of the ledger");
  t.match(books, { reserved: 0, seals: 1, queued: 0 });
}

/** Every call belongs to an admission, and a step is called at most once more than it lost attempts. */
async function effectsWereAdmitted(
  t: Test,
  rig: Rig,
  { runUid, effects }: { readonly runUid: RunUid; readonly effects: string },
): Promise<void> {
  const rows = await rig.rows(
    "select step_id, attempt from stepgate.records where run_uid = $1 and kind = 'admission'",
    [runUid],
  );
  const admitted = new Set(rows.map((row) => `${row["step_id"]} ${row["attempt"]}`));
  const called = await effectsOf(effects, runUid);
  t.equal(new Set(called).size, called.length, "no attempt was made twice");
  t.same(
    called.filter((call) => !admitted.has(call)),
    [],
    "nothing was called without an admission",
  );
  t.ok(called.length >= 4 && called.length <= admitted.size, "every step was performed");
}
