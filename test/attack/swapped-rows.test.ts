/**
 * K4: whoever can write to the database swaps sealed payloads, wrapped keys or records, and gets a refusal, never an allow.
 *
 * An approval row made by hand and yesterday's dump are elsewhere.
 */
import t from "tap";
import { isStepgateError } from "../../src/core/errors.ts";
import type { RunUid, TenantUid } from "../../src/core/ids.ts";
import { reportOn, verifies } from "../acceptance/evidence-of.ts";
import { allow, done, makeSink, type Rig, startRig } from "../acceptance/rig.ts";
import { openTestDatabase, type TestDatabase } from "../storage/test-database.ts";

const tenant = { runtime_pack: "open", required_guardrails: [] };

/** A run whose first step has succeeded and whose second one, which takes from the first, waits at a breakpoint. */
const PLAN = {
  steps: [
    { id: "a", type: "sink", inputs: { note: "one" } },
    { id: "b", type: "sink", inputs: { note: "two", from: { $from: "a", pointer: "" } } },
  ],
  edges: [["a", "b"]],
  debug: { breakpoints: [{ target: "step", value: "b" }] },
};

async function paused(rig: Rig): Promise<RunUid> {
  const runUid = await rig.submit(PLAN);
  await rig.until(runUid, (_, run) => run.status === "paused_at_step");
  return runUid;
}

async function blobOf(rig: Rig, runUid: RunUid, step: string, column: "input_blob" | "output_blob"): Promise<string> {
  const rows = await rig.rows(`select ${column} as id from stepgate.steps where run_uid = $1 and step_id = $2`, [
    runUid,
    step,
  ]);
  return String(rows[0]?.["id"]);
}

/** Puts the sealed bytes of blob `from` where those of `to` were. */
const PUT_OVER = `update stepgate.blobs t set sealed = f.sealed, wrapped_key = f.wrapped_key, key_id = f.key_id
   from stepgate.blobs f where t.blob_id = $1 and f.blob_id = $2`;

t.test("K4 a payload that was put elsewhere opens nowhere, and the step is not performed", async (t) => {
  const database = await openTestDatabase(t);
  const sink = makeSink(({ stepId }) => done({ of: stepId }));
  const rig = await startRig(t, { database, packs: { open: allow }, adapters: [sink.adapter], tenant });
  const other = await paused(rig);
  const attacks: readonly (readonly [string, (runUid: RunUid) => Promise<void>])[] = [
    [
      "the inputs of another step of the run",
      async (runUid) =>
        put(database, await blobOf(rig, runUid, "b", "input_blob"), await blobOf(rig, runUid, "a", "input_blob")),
    ],
    [
      "the same step's inputs of another run: an old ciphertext",
      async (runUid) =>
        put(database, await blobOf(rig, runUid, "b", "input_blob"), await blobOf(rig, other, "b", "input_blob")),
    ],
    [
      "another field: the output of a step as its inputs",
      async (runUid) =>
        put(database, await blobOf(rig, runUid, "b", "input_blob"), await blobOf(rig, runUid, "a", "output_blob")),
    ],
    [
      "an output that a step takes from, of another run",
      async (runUid) =>
        put(database, await blobOf(rig, runUid, "a", "output_blob"), await blobOf(rig, other, "a", "output_blob")),
    ],
    [
      "the step's row pointing at another blob",
      async (runUid) => {
        const values = [await blobOf(rig, other, "b", "input_blob"), runUid];
        await database.pool.query(
          "update stepgate.steps set input_blob = $1 where run_uid = $2 and step_id = 'b'",
          values,
        );
      },
    ],
    [
      "the wrapped key of another blob",
      async (runUid) => {
        const values = [await blobOf(rig, runUid, "b", "input_blob"), await blobOf(rig, runUid, "a", "input_blob")];
        await database.pool.query(
          "update stepgate.blobs t set wrapped_key = f.wrapped_key from stepgate.blobs f where t.blob_id = $1 and f.blob_id = $2",
          values,
        );
      },
    ],
    [
      "one bit of the ciphertext",
      async (runUid) => {
        const values = [await blobOf(rig, runUid, "b", "input_blob")];
        await database.pool.query(
          "update stepgate.blobs set sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1) where blob_id = $1",
          values,
        );
      },
    ],
    [
      "a payload that is gone",
      async (runUid) => {
        const values = [await blobOf(rig, runUid, "b", "input_blob")];
        await database.pool.query("delete from stepgate.blobs where blob_id = $1", values);
      },
    ],
  ];
  for (const [why, attack] of attacks) {
    const runUid = await paused(rig);
    const before = sink.calls.length;
    await attack(runUid);
    await rig.stepgate.rooms.store.resume(rig.tenantUid, runUid, "test");
    rig.stepgate.rooms.ready.ready();
    t.equal((await rig.ended(runUid)).status, "failed", why);
    const step = (await rig.steps(runUid)).get("b");
    t.match(
      step,
      { state: "failed", attemptsMade: 0, reasons: [/^(BLOB_UNREADABLE|BLOB_ERASED|payload_\w+)$/i] },
      `${why}: coded`,
    );
    t.equal(sink.calls.length, before, `${why}: nothing was performed`);
  }
  await rig.stepgate.rooms.store.resume(rig.tenantUid, other, "test");
  rig.stepgate.rooms.ready.ready();
  t.equal((await rig.ended(other)).status, "succeeded", "the control: untouched, it goes on");
  await verifies(t, rig, other, "the control: its evidence verifies");
  await database.pool.query("alter table stepgate.records disable trigger user");
  await database.pool.query("create table public.saved as select * from stepgate.records");
  const edits = [
    [
      "an outcome turned round",
      "update stepgate.records set statement = replace(statement, '\"succeeded\"', '\"failed\"')",
    ],
    ["a record that is gone", "delete from stepgate.records where kind = 'outcome' and step_id = 'a'"],
    [
      "the statement of one record under the id of another",
      `update stepgate.records r set statement = (select statement from stepgate.records where kind = 'outcome' limit 1)
        where kind = 'admission'`,
    ],
  ] as const;
  for (const [why, edit] of edits) {
    await database.pool.query(edit);
    const verdict = await reportOn(rig, other).then(
      ({ status }) => status as string,
      (caught: unknown) => (isStepgateError(caught) ? caught.code : Promise.reject(caught)),
    );
    t.ok(["failed", "EVIDENCE_MALFORMED", "INVALID_LOG"].includes(verdict), `${why}: ${verdict}`);
    await database.pool.query("delete from stepgate.records; insert into stepgate.records select * from public.saved");
  }
  await verifies(t, rig, other, "the control: put back, it verifies again");
});

async function put(database: TestDatabase, to: string, from: string): Promise<void> {
  await database.pool.query(PUT_OVER, [to, from]);
}

t.test("K4 a wrapped key of another tenant, purpose or instance unwraps nothing", async (t) => {
  const database = await openTestDatabase(t);
  const rig = await startRig(t, { database, packs: { open: allow }, tenant });
  const { tenants, ids, keyRing } = rig.stepgate.rooms;
  const put = { weight: 1, isPaused: false, quotas: [], actor: "test", settings: tenant };
  const uids: TenantUid[] = [];
  for (const tenantId of ["one", "two", "three", "four"]) {
    await tenants.put({ ...put, tenantId, tenantUid: ids.uuid() as TenantUid });
    const found = await tenants.find(tenantId);
    if (found !== undefined) uids.push(found.tenantUid);
  }
  const [one, two, three, four] = uids as [TenantUid, TenantUid, TenantUid, TenantUid];
  await keyRing.tenants.of(one);
  const copy = (tenantUid: TenantUid, from: string, purpose: string) =>
    database.pool.query(
      `insert into stepgate.keys (key_id, tenant_uid, purpose, alg, state, wrapped)
       select $1, $2, $3, 'A256GCM', 'active', wrapped from stepgate.keys where tenant_uid = $4 and purpose = $5`,
      [ids.uuid(), tenantUid, purpose, one, from],
    );
  await copy(two, "data", "data");
  await t.rejects(keyRing.tenants.of(two), { code: "KEY_ROW_INVALID" }, "another tenant's data key");
  await copy(three, "digest_snapshot", "data");
  await t.rejects(keyRing.tenants.of(three), { code: "KEY_ROW_INVALID" }, "a key of another purpose");
  t.ok(await keyRing.tenants.of(four), "the control: a tenant whose rows nobody touched");
  await database.pool.query(
    `update stepgate.keys t set wrapped = f.wrapped from stepgate.keys f
      where t.purpose = 'token' and t.tenant_uid is null and f.purpose = 'decision' and f.tenant_uid is null`,
  );
  await t.rejects(keyRing.reload(), { code: "KEY_ROW_INVALID" }, "wrapped signing keys swapped");
});
