/**
 * A second worker of a rig's process, whose statements a test may hold, repeat or answer itself.
 *
 * The worker that came with the rig has its one place taken, so that what follows is for the second one.
 */
import type { Test } from "tap";
import type { ExecutionContext, ExecutorResult } from "../../src/executors/contract.ts";
import { makeWorker } from "../../src/main-worker.ts";
import type { Pool } from "../../src/storage/pool.ts";
import { allow, done, makeSink, type Rig, startRig } from "../acceptance/rig.ts";
import type { TestDatabase } from "../storage/test-database.ts";

export interface SecondWorker {
  readonly rig: Rig;
  /** Every call but that of the step which takes the first worker's place. */
  readonly calls: () => readonly ExecutionContext[];
  /** Lets that step end, and waits for it. */
  readonly freeFirst: () => Promise<void>;
}

/** Starts both; `wrap` gets what the second one asks the database through. */
export async function startSecondWorker(
  t: Test,
  database: TestDatabase,
  wrap: (query: Pool["query"]) => Pool["query"],
): Promise<SecondWorker> {
  const blocker = Promise.withResolvers<ExecutorResult>();
  const sink = makeSink(({ stepId }) => (stepId === "blocker" ? blocker.promise : done(null)));
  const rig = await startRig(t, {
    database,
    packs: { runtime: allow },
    adapters: [sink.adapter],
    tenant: { runtime_pack: "runtime", required_guardrails: [] },
    env: { STEPGATE_MAX_CONCURRENT_STEPS: "1", STEPGATE_REAPER_INTERVAL_MS: "200" },
  });
  const { rooms } = rig.stepgate;
  const blocked = await rig.submit({ steps: [{ id: "blocker", type: "sink", inputs: {} }] });
  await rig.until(blocked, () => sink.calls.length === 1);
  const query = wrap(rooms.workerPool.query);
  const workerPool: Pool = { ...rooms.workerPool, query, lane: () => ({ query }) };
  const stops: (() => Promise<unknown>)[] = [];
  const worker = makeWorker({ ...rooms, workerPool }, stops);
  t.teardown(async () => {
    await worker.stop();
    for (const stop of stops) await stop();
  });
  await worker.start();
  return {
    rig,
    calls: () => sink.calls.filter(({ stepId }) => stepId !== "blocker"),
    freeFirst: async () => {
      blocker.resolve(done(null));
      const { status } = await rig.ended(blocked);
      t.equal(status, "succeeded");
    },
  };
}
