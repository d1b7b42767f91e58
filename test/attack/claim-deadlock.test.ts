/**
 * Claims of several workers over the same tenants never wait for each other in a circle.
 */
import t from "tap";
import { CLAIM_STEPS, EXTEND_LEASE } from "../../src/storage/statements/pipeline.ts";
import { allow, done, makeSink, startRig } from "../acceptance/rig.ts";
import { openTestDatabase } from "../storage/test-database.ts";

const TENANTS = 6;
const WORKERS = 8;

t.test("eight workers claim from six tenants at once, and no claim fails", { timeout: 120_000 }, async (t) => {
  const database = await openTestDatabase(t);
  const sink = makeSink(() => done(null));
  const rig = await startRig(t, {
    database,
    packs: { open: allow },
    adapters: [sink.adapter],
    tenant: { runtime_pack: "open", required_guardrails: [] },
    env: { STEPGATE_ROLE: "gateway" },
  });
  const { rooms } = rig.stepgate;
  const [key] = await rig.rows("select key_id from stepgate.api_keys limit 1");
  const caller = { keyId: String(key?.["key_id"]), owner: "admin", roles: ["submitter"] };
  for (let index = 0; index < TENANTS; index += 1) {
    const tenantId = `tenant-${index}`;
    const put = { weight: 1 + index, isPaused: false, quotas: [], actor: "test" };
    const settings = { runtime_pack: "open", required_guardrails: [] };
    await rooms.tenants.put({ ...put, settings, tenantId, tenantUid: rooms.ids.uuid() as typeof rig.tenantUid });
    const found = await rooms.tenants.find(tenantId);
    if (found === undefined) throw new TypeError("no tenant");
    const steps = Array.from({ length: 100 }, (_, step) => ({ id: `s${step}`, type: "sink", inputs: {} }));
    await rooms.submitRun({
      tenantUid: found.tenantUid,
      caller,
      submission: rooms.readRunSubmission({ steps, run_config: { max_parallel: 100 } }),
      idempotencyKey: undefined,
      trace: undefined,
    });
  }
  const claimed: string[] = [];
  const pool = database.openPool({ maxConnections: WORKERS });
  await Promise.all(
    Array.from({ length: WORKERS }, async (_, index) => {
      const worker = `worker-${index}`;
      await pool.query(EXTEND_LEASE, [worker, 1, "here", 60_000]);
      for (;;) {
        const { rows } = await pool.query<{ tenant_uid: string; step_id: string }>(CLAIM_STEPS, [
          worker,
          ["sink"],
          7,
          true,
          true,
        ]);
        if (rows.length === 0) return;
        claimed.push(...rows.map((row) => `${row.tenant_uid} ${row.step_id}`));
      }
    }),
  );
  t.equal(new Set(claimed).size, claimed.length, "no step is claimed twice");
  t.equal(claimed.length, TENANTS * 100, "every step is claimed");
  t.match(await rig.rows("select count(*)::integer as paid from stepgate.tenant_shares where pass > 0"), [
    { paid: TENANTS },
  ]);
});
