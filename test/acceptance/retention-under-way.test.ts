/**
 * Retention while steps run, while another process maintains too, and when one is killed over it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { forEachDatabase, openTestDatabase } from "../storage/test-database.ts";
import {
  auditVerdict,
  killedMaintenance,
  maintainer,
  partitionsOf,
  rowsWith,
  startAll,
  step,
} from "./retention-scene.ts";

const PATIENCE_MS = 60_000;

t.test("history is dropped while steps are settled, and no settlement fails", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const lines: string[] = [];
    const rig = await startAll(t, database, (line) => {
      if (["warn", "error", "fatal"].includes(JSON.parse(line).level)) lines.push(line);
    });
    const maintain = maintainer(database.openPool());
    let isOver = false;
    const rounds = (async () => {
      let dropped = 0;
      for (let day = 60; !isOver; day += 40) dropped += (await maintain(day)).dropped;
      return dropped;
    })();
    const runs = 40;
    for (let run = 0; run < runs; run += 1)
      await rig.submit({
        steps: [step("a"), step("b"), step("c")],
        edges: [
          ["a", "b"],
          ["b", "c"],
        ],
      });
    const attempts = async () =>
      Number((await rig.rows("select coalesce(sum(attempts), 0)::integer as n from stepgate.billing_usage"))[0]?.["n"]);
    // however slow the machine: only when nothing more is performed it is given up
    for (let [seen, sinceMs] = [0, performance.now()]; seen < runs * 3 && performance.now() - sinceMs < PATIENCE_MS; ) {
      await sleep(50);
      const count = await attempts();
      if (count !== seen) [seen, sinceMs] = [count, performance.now()];
    }
    isOver = true;
    const dropped = await rounds;
    t.equal(await attempts(), runs * 3, "each step was performed once");
    t.ok(dropped >= 8, `${dropped} partitions were dropped meanwhile`);
    t.same(lines, [], "nothing was warned of");
    t.same(await rig.rows("select 1 from stepgate.cost_ledger where kind <> 'succeeded'"), []);
    t.same(
      await rig.rows("select action, resource from stepgate.audit_log where action in ('step.failed', 'run.failed')"),
      [],
      "nothing of a run was dropped under it",
    );
    t.match(await auditVerdict(database, rig.tenantUid), { ok: true });
  });
});

t.test(
  "two processes that maintain at once do everything once, and one that is killed leaves the rest to the next",
  async (t) => {
    const database = await openTestDatabase(t);
    const rig = await startAll(t, database);
    const runs = await Promise.all(Array.from({ length: 6 }, () => rig.submit({ steps: [step("a")] })));
    for (const run of runs) await rig.ended(run);
    const paused = await rig.submit({ steps: [step("a")], debug: { breakpoints: [{ target: "step", value: "a" }] } });
    await rig.until(paused, (_, run) => run.status === "paused_at_step");
    const before = await rowsWith(database, [paused]);
    // its runs, three partitions, two more
    for (const after of [1, 3, 2]) {
      await killedMaintenance(database, after);
      t.same(await rowsWith(database, [paused]), before, `killed after ${after}: what must stay is whole`);
      const audit = await auditVerdict(database, rig.tenantUid);
      t.match(audit, { ok: true });
    }
    t.ok((await partitionsOf(database)).length > 0);
    const [one, other] = [maintainer(database.openPool()), maintainer(database.openPool())];
    await Promise.all([one(60), other(60)]);
    await one(60);
    const { audit_log: _, ...left } = await rowsWith(database, runs);
    t.same(left, {}, "the next ones finished it");
    t.same(await rowsWith(database, [paused]), before);
    t.notOk((await partitionsOf(database)).includes("run_events_first"));
    t.match(await rig.rows("select runs::integer from stepgate.retired_history"), [{ runs: 6 }], "counted once");
  },
);
