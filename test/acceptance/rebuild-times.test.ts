/**
 * Deadlines and breaches of steps that were paused or are tried again: as the log tells them, live and after a rebuild
 * (spec 01, deadline; spec 02, order; spec 00, one log per run).
 */
import t, { type Test } from "tap";
import { makeReadManifest } from "../../src/runs/manifest.ts";
import { makeRebuildRun } from "../../src/runs/rebuild-run.ts";
import { makeRebuildStore } from "../../src/storage/rebuild-store.ts";
import { forEachDatabase } from "../storage/test-database.ts";
import { allow, done, failure, makeSink, startRig } from "./rig.ts";

const gold = { tier: "gold", queue_target_ms: 1000, priority_boost: 3, error_budget_ppm: 250_000 };
const HOUR_MS = 3_600_000;

t.test("time paused counts for no deadline, and a retry begins its wait anew, live as after a rebuild", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    let release = (): void => undefined;
    const sink = makeSink(({ stepId }) => {
      if (stepId === "flaky") return failure();
      if (stepId === "next") return done(null);
      return new Promise((resolve) => {
        release = () => resolve(done(null));
      });
    });
    const tenant = { runtime_pack: "runtime", required_guardrails: [] };
    const rig = await startRig(t, { database, packs: { runtime: allow }, adapters: [sink.adapter], tenant });
    const { store, workerPool: pool } = rig.stepgate.rooms;
    const execution = { deadline_ms: HOUR_MS, max_attempts: 2, retry_backoff_ms: 60_000 };
    const runUid = await rig.submit({
      steps: [
        { id: "flaky", type: "sink", inputs: {}, policy: { slo: gold }, execution },
        { id: "long", type: "sink", inputs: {} },
        { id: "next", type: "sink", inputs: {}, execution: { deadline_ms: HOUR_MS } },
      ],
      edges: [["long", "next"]],
    });
    await rig.until(
      runUid,
      (steps) =>
        steps.get("long")?.state === "running" &&
        steps.get("flaky")?.errorKind === undefined &&
        steps.get("flaky")?.attemptsMade === 1 &&
        steps.get("flaky")?.state === "queued",
    );
    const lives = async () => {
      const rows = await rig.rows(
        `select s.step_id, stepgate.epoch_ms(s.first_ready_at)::float as first_ready, stepgate.epoch_ms(s.deadline_at)::float as deadline,
                stepgate.epoch_ms(r.ready_at)::float as ready, stepgate.epoch_ms(r.breach_at)::float as breach
           from stepgate.steps s left join stepgate.ready_steps r using (tenant_uid, run_uid, step_id)
          where s.run_uid = $1 and s.step_id <> 'long'`,
        [runUid],
      );
      return new Map(rows.map((row) => [row["step_id"], row as Record<string, number | null>]));
    };
    t.equal(await store.pause(rig.tenantUid, runUid, "test"), true);
    await rig.rows("select pg_sleep(0.3)");
    release();
    await rig.until(runUid, (steps) => steps.get("next")?.state === "queued");
    await rig.rows("select pg_sleep(0.1)");
    t.equal(await store.resume(rig.tenantUid, runUid, "test"), true);
    await rig.until(runUid, (steps) => steps.get("next")?.state === "succeeded");
    const [pause] = await rig.rows(
      `select stepgate.epoch_ms(p.at)::float as from, stepgate.epoch_ms(r.at)::float as to from stepgate.run_events p, stepgate.run_events r
        where p.run_uid = $1 and r.run_uid = $1 and p.type = 'run_paused' and r.type = 'run_resumed'`,
      [runUid],
    );
    const [pausedMs, resumedMs] = [Number(pause?.["from"]), Number(pause?.["to"])];
    const live = await lives();
    const [flaky, next] = [live.get("flaky"), live.get("next")];
    near(t, flaky?.["deadline"], Number(flaky?.["first_ready"]) + HOUR_MS + (resumedMs - pausedMs), "the whole pause");
    near(t, next?.["deadline"], resumedMs + HOUR_MS, "the pause from when it became ready");
    near(t, flaky?.["breach"], Number(flaky?.["ready"]) + 1000, "not of its first life");
    t.ok(Number(flaky?.["ready"]) > Number(flaky?.["first_ready"]) + 50_000, "the control: its wait began anew");

    const rebuild = makeRebuildRun({
      store: { ...store, ...makeRebuildStore(pool) },
      readManifest: makeReadManifest(),
      maxLostAttempts: 5,
    });
    await rebuild(rig.tenantUid, runUid, "test");
    const rebuilt = await lives();
    for (const [id, before] of live) {
      for (const [name, value] of Object.entries(before)) {
        if (name !== "step_id") near(t, rebuilt.get(id)?.[name], value, `${id}: ${name} is the same after a rebuild`);
      }
    }
  });
});

/** Equal but for the cut of a millisecond, in which the log is exact. */
function near(t: Test, found: number | null | undefined, wanted: number | null, why: string): void {
  t.ok(found === wanted || Math.abs(Number(found) - Number(wanted)) <= 2, `${why}: ${found}, ${wanted}`);
}
