/** Isolation that a tenant asks for and a machine cannot give, with real programs (spec 09 E6). */
import t from "tap";
import type { JsonObject } from "../../src/core/json.ts";
import { forEachDatabase } from "../storage/test-database.ts";
import { verifies } from "./evidence-of.ts";
import { allow, type Rig, startRig } from "./rig.ts";

const submission = {
  steps: [{ id: "hello", type: "process", inputs: { command: ["echo", "-n", "hello"] } }],
};

async function runUnder(rig: Rig, settings: JsonObject) {
  const { tenantUid } = rig;
  await rig.stepgate.rooms.tenants.put({
    ...{ tenantUid, tenantId: "default", weight: 1, isPaused: false, quotas: [], actor: "test" },
    settings: { runtime_pack: "runtime", required_guardrails: [], ...settings },
  });
  const runUid = await rig.submit(submission);
  await rig.ended(runUid);
  const records = await rig.rows("select kind, statement from stepgate.records where run_uid = $1 and kind <> 'seal'", [
    runUid,
  ]);
  const predicates = new Map(
    records.map(({ kind, statement }) => [String(kind), JSON.parse(String(statement)).predicate as JsonObject]),
  );
  return { runUid, step: (await rig.steps(runUid)).get("hello"), predicates };
}

t.test(
  "E6 isolation above the machine's is refused, and with the type allowed by name it runs and says so",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const rig = await startRig(t, { database, packs: { runtime: allow } });
      const level = rig.stepgate.rooms.registry.get("process")?.describe().isolation;
      t.match(level, /^namespaces/);
      for (const allowed of [[], ["http", "noop"]]) {
        const refused = await runUnder(rig, { min_isolation: { process: "vm" }, weaker_isolation_allowed: allowed });
        t.match(refused.step, { state: "failed", errorKind: "sandbox_unavailable", attemptsMade: 0 });
        t.same(refused.step?.reasons, ["isolation_too_weak"]);
        t.same([...refused.predicates.keys()], ["refusal"], "nothing was admitted");
        await verifies(t, rig, refused.runUid);
      }
      const allowed = await runUnder(rig, { min_isolation: { process: "vm" }, weaker_isolation_allowed: ["process"] });
      t.match(allowed.step, { state: "succeeded", attemptsMade: 1 });
      t.match(allowed.predicates.get("admission"), { isolation: level, weaker_isolation_allowed: true });
      await verifies(t, rig, allowed.runUid);
      const met = await runUnder(rig, { min_isolation: { process: "process" } });
      t.match(met.step, { state: "succeeded" });
      t.match(met.predicates.get("admission"), { isolation: level });
      t.notOk("weaker_isolation_allowed" in (met.predicates.get("admission") ?? {}), "nothing weaker was allowed");
    });
  },
);
