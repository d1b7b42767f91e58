/**
 * S5: a plan that is refused leaves nothing behind, whichever rule refuses it, over the API (spec 02).
 */
import t from "tap";
import { REFUSING_INSTANCE, refusals } from "../runs/plan-refusals.ts";
import { openTestDatabase } from "../storage/test-database.ts";
import { deskOf } from "./approval-desk.ts";
import { allow, type Rig, startRig } from "./rig.ts";

/** How many rows each table has. */
async function countRows(rig: Rig): Promise<Readonly<Record<string, unknown>>> {
  const tables = await rig.rows(
    "select relname from pg_class where relnamespace = 'stepgate'::regnamespace and relkind = 'r'",
  );
  const counts: Record<string, unknown> = {};
  for (const { relname } of tables) {
    const [row] = await rig.rows(`select count(*)::integer as rows from stepgate.${String(relname)}`);
    counts[String(relname)] = row?.["rows"];
  }
  return counts;
}

t.test("S5 every rule refuses over the API with its code and its offender, and nothing is written", async (t) => {
  const rig = await startRig(t, {
    database: await openTestDatabase(t),
    packs: { p: allow },
    tenant: REFUSING_INSTANCE.tenant,
    env: { ...REFUSING_INSTANCE.env, STEPGATE_ROLE: "gateway" },
  });
  const call = await deskOf(rig, "alice", "submitter");
  const taken = { steps: [{ id: "a", type: "noop" }] };
  t.equal((await call("POST", "/v1/runs", taken)).status, 201, "a tenant's keys are made with its first run");
  const before = await countRows(rig);
  t.ok(Object.keys(before).length > 20, `${Object.keys(before).length} tables`);
  for (const { why, code, detail, steps, edges = [], submission } of refusals) {
    const sent = JSON.parse(JSON.stringify({ steps, edges, ...submission }));
    const { status, json } = await call("POST", "/v1/runs", sent);
    const { step, from, pack, reason, what, ceiling, unit } = detail;
    const offender = Object.fromEntries(
      Object.entries({ step, from, pack, reason, what, ceiling, unit }).filter(([, value]) => value !== undefined),
    );
    t.match({ status, json }, { status: 422, json: { code, ...offender } }, why);
  }
  t.same(await countRows(rig), before, "no table has a row more or less");
  t.equal((await call("POST", "/v1/runs", taken)).status, 201);
  t.notSame(await countRows(rig), before, "the control: a plan that is taken is written");
});
