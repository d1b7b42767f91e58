/**
 * When the next attempt may start (spec 02, retry): what the executor asks for, what no backoff means, what a deadline allows.
 */
import t from "tap";
import type { JsonObject } from "../../src/core/json.ts";
import { forEachDatabase } from "../storage/test-database.ts";
import { allow, failure, makeSink, startRig } from "./rig.ts";

t.test(
  "a retry waits as asked, as the platform says where the step says nothing, never past the deadline",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const sink = makeSink(({ stepId }) => failure(stepId === "asked" ? { retryAfterMs: 500_000 } : {}));
      const rig = await startRig(t, {
        database,
        packs: { runtime: allow },
        adapters: [sink.adapter],
        tenant: { runtime_pack: "runtime", required_guardrails: [] },
        env: { STEPGATE_ACTIVE_BACKOFF_MS: "10000" },
      });
      const step = (id: string, execution: JsonObject) => ({
        id,
        type: "sink",
        inputs: {},
        execution: { max_attempts: 2, ...execution },
      });
      const runUid = await rig.submit({
        steps: [
          step("silent", { retry_backoff_ms: 0 }),
          step("asked", { retry_backoff_ms: 10 }),
          step("late", { retry_backoff_ms: 100_000, deadline_ms: 60_000 }),
          step("in-time", { retry_backoff_ms: 100_000, deadline_ms: 600_000 }),
        ],
      });
      await rig.until(runUid, (steps) =>
        ["silent", "asked", "in-time"].every(
          (id) => steps.get(id)?.attemptsMade === 1 && steps.get(id)?.state === "queued",
        ),
      );
      await rig.until(runUid, (steps) => steps.get("late")?.state === "failed");
      t.match((await rig.steps(runUid)).get("late"), { errorKind: "execution_error", attemptsMade: 1 });
      const rows = await rig.rows(
        `select step_id, (data ->> 'not_before_ms')::float - stepgate.epoch_ms(at) as delay from stepgate.run_events
        where run_uid = $1 and type = 'step_retry_scheduled'`,
        [runUid],
      );
      const delays = new Map(rows.map(({ step_id: id, delay }) => [id, Number(delay)]));
      t.same([...delays.keys()].sort(), ["asked", "in-time", "silent"]);
      for (const [id, wanted] of [
        ["silent", 10_000],
        ["asked", 500_000],
        ["in-time", 100_000],
      ] as const) {
        const delay = delays.get(id) ?? 0;
        // counted from the end of the attempt, a little before its event is written
        t.ok(delay <= wanted + 1 && delay > wanted - 10_000, `${id}: ${delay} of ${wanted} ms`);
      }
    });
  },
);
