/** What packs were shown is kept as long as the tenant says, and everything else of the run for as long as the run is. */
import t from "tap";
import type { RunUid } from "../../src/core/ids.ts";
import { forEachDatabase } from "../storage/test-database.ts";
import { auditVerdict, exported, maintainer, rowsWith, startAll, step, verdictOn } from "./retention-scene.ts";

t.test(
  "decision inputs of ended runs go after decision_input_days, never of unfinished, linked or retained runs, and what remains verifies",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const rig = await startAll(t, database);
      const days = (value: number) =>
        rig.rows(
          "update stepgate.tenants set settings = settings || jsonb_build_object('decision_input_days', $1::integer)",
          [value],
        );
      const [ended, linked, retained] = await Promise.all(
        ["a", "a", "law"].map((slug) =>
          rig.submit({ steps: [step("a", { slug }), step("b")], edges: [["a", "b"]], budget: { tokens: 100 } }),
        ),
      );
      if (ended === undefined || linked === undefined || retained === undefined) throw new TypeError("not submitted");
      for (const run of [ended, linked, retained]) await rig.ended(run);
      const paused = await rig.submit({
        steps: [step("a"), step("b")],
        edges: [["a", "b"]],
        debug: { breakpoints: [{ target: "step", value: "b" }] },
      });
      await rig.until(paused, (_, run) => run.status === "paused_at_step");
      await rig.rows("insert into stepgate.run_forks values ($1, $2, $3, 'a', $3)", [rig.tenantUid, paused, linked]);

      const inputsOf = async (run: RunUid): Promise<number> =>
        (await rig.rows("select 1 from stepgate.blobs where run_uid = $1 and field = 'pack_input'", [run])).length;
      const others = [linked, retained, paused];
      const before = await rowsWith(database, [ended]);
      const bundle = await exported(rig, rig.tenantUid, ended);
      const rowsOfOthers = await Promise.all(others.map((run) => rowsWith(database, [run])));
      t.equal(await inputsOf(ended), 2, "one of each step");

      const maintain = maintainer(database.pool);
      await rig.rows("update stepgate.tenants set settings = settings - 'decision_input_days'");
      t.match(await maintain(20), { inputs: 0 }, "30 days unless the tenant says otherwise");
      await days(10);
      t.match(await maintain(9), { inputs: 0 });
      t.match(await maintain(11), { inputs: 1, runs: 0, dropped: 0 });
      t.equal(await inputsOf(ended), 0);
      const { blobs = 0, ...kept } = await rowsWith(database, [ended]);
      const { blobs: blobsBefore = 0, ...keptBefore } = before;
      t.same({ blobs, ...kept }, { blobs: blobsBefore - 2, ...keptBefore }, "every other row is there");
      t.equal(await exported(rig, rig.tenantUid, ended), bundle, "evidence is what it was, byte for byte");
      t.equal(verdictOn(rig, bundle), "ok");
      t.same(await Promise.all(others.map((run) => rowsWith(database, [run]))), rowsOfOthers, "the others are whole");
      t.match(await maintain(11), { inputs: 0 }, "once");
      t.match(await rig.rows("select resource from stepgate.audit_log where action = 'run.erase_inputs'"), [
        { resource: /"runs":1/ },
      ]);
      t.match(await auditVerdict(database, rig.tenantUid), { ok: true });

      await rig.rows("delete from stepgate.run_forks");
      t.match(await maintain(11), { inputs: 1 }, "nobody goes on from it any more");
      await rig.stepgate.rooms.store.resume(rig.tenantUid, paused, "test");
      rig.stepgate.rooms.ready.ready();
      t.equal((await rig.ended(paused)).status, "succeeded", "a run that went on has its own");
      t.equal(await inputsOf(paused), 2);
      t.equal(await inputsOf(retained), 2, "an obligation asks for all of it");
      t.match(await maintain(20), { inputs: 1 });
      t.equal(await inputsOf(retained), 2);
      await days(500);
      t.match(await maintain(450), { inputs: 0, runs: 4 }, "a run that goes takes its inputs along");
    });
  },
);
