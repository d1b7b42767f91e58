/**
 * Why a step waits is the reason of now, not the last that was new (spec 02, queue operations).
 */
import t from "tap";
import type { StepId, WorkerId } from "../../src/core/ids.ts";
import type { DeferReason } from "../../src/gate/context.ts";
import { makeQueueOperations } from "../../src/scheduler/queue-operations.ts";
import { makeClaimStore } from "../../src/storage/claim-store.ts";
import { makePipelineStore } from "../../src/storage/pipeline-store.ts";
import { makeQueueStore } from "../../src/storage/queue-store.ts";
import { forEachDatabase } from "../storage/test-database.ts";
import { allow, done, makeSink, startRig } from "./rig.ts";

const LONG_MS = 3_600_000;

t.test("a step that waits for this, then for that, then for this again says what it waits for now", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const rig = await startRig(t, {
      database,
      packs: { runtime: allow },
      adapters: [makeSink(() => done(null)).adapter],
      tenant: { runtime_pack: "runtime", required_guardrails: [] },
      env: { STEPGATE_ROLE: "gateway" },
    });
    const { pool, workerPool } = rig.stepgate.rooms;
    const workerId = "worker-of-the-test" as WorkerId;
    const queue = makeClaimStore({ pool: workerPool, workerId });
    const pipeline = makePipelineStore({ pool: workerPool, workerId });
    await queue.extendLease(120_000);
    await queue.sayTypes(["sink"]);
    const runUid = await rig.submit({ steps: [{ id: "a", type: "sink", inputs: {} }] });
    const claim = async () => {
      await rig.rows("update stepgate.ready_steps set not_before = now() where run_uid = $1", [runUid]);
      const [step] = await queue.claim({ types: ["sink"], maxSteps: 1, isIdle: false, isDeep: false });
      if (step === undefined) throw new TypeError("nothing was claimed");
      return step;
    };
    const defer = async (reason: DeferReason, of?: string) => {
      const { tenantUid, stepId, leaseEpoch } = await claim();
      const [outcome] = await pipeline.settle(
        [
          {
            address: { tenantUid, runUid, stepId, leaseEpoch },
            retainDays: 0,
            events: [],
            records: [],
            artifact: undefined,
            evaluations: undefined,
            blobs: [],
            redaction: undefined,
            audit: undefined,
            kind: "deferred",
            delayMs: LONG_MS,
            reason,
            of,
          },
        ],
        [],
        false,
      );
      t.equal(outcome?.isSettled, true);
    };
    const operations = makeQueueOperations({
      store: makeQueueStore(pool),
      isType: () => true,
      onResumed: () => undefined,
    });
    const waits = async () => (await operations.waits(rig.tenantUid, runUid, "a" as StepId))?.waits;
    for (const quota of ["tokens a day", "other"]) {
      await defer("quota", quota);
      t.match(await waits(), [{ reason: "quota", of: quota }]);
      await defer("concurrency_key", "crm");
      t.match(await waits(), [{ reason: "concurrency_key", of: "crm" }]);
      await rig.rows("update stepgate.ready_steps set not_before = now() where run_uid = $1", [runUid]);
      t.match(await waits(), [{ reason: "concurrency_key", of: "crm", until: undefined }, { reason: "rank" }]);
    }
    await defer("max_parallel");
    t.match(await waits(), [{ reason: "max_parallel", count: 256 }]);
    await defer("quota", "tokens a day");
    t.match(await waits(), [{ reason: "quota", of: "tokens a day" }]);
    for (const round of [1, 2]) {
      await claim();
      await rig.rows(
        `select stepgate.requeue_step(h, jsonb_populate_record(null::stepgate.settlement, jsonb_build_object(
           'tenant_uid', tenant_uid, 'run_uid', run_uid, 'step_id', 'a', 'is_lost', false,
           'not_before_ms', stepgate.epoch_ms(now() + interval '1 hour')))) from stepgate.run_heads h where run_uid = $1`,
        [runUid],
      );
      t.match(await waits(), [{ reason: "retry", of: undefined }], `round ${round}`);
      await defer("backpressure");
      t.match(await waits(), [{ reason: "pressure", of: undefined }], `round ${round}`);
    }
    await rig.rows("update stepgate.ready_steps set not_before = now(), is_alone = true where run_uid = $1", [runUid]);
    t.match(await waits(), [{ reason: "pressure" }, { reason: "alone" }, { reason: "rank", count: 0 }]);
    const told = (await rig.events(runUid)).filter(({ type }) => type === "step_queued");
    t.same(
      told.map(({ data }) => data["reason"]),
      ["quota", "concurrency_key", "max_parallel", "backpressure"],
      "the log says each once",
    );
  });
});
