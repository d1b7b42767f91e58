/**
 * Retention on a whole Stepgate: what a tenant no longer keeps goes with its window, and nothing else does.
 */
import t from "tap";
import type { RunUid } from "../../src/core/ids.ts";
import { forEachDatabase, openTestDatabase } from "../storage/test-database.ts";
import {
  addTenant,
  auditVerdict,
  exported,
  maintainer,
  partitionsOf,
  rowsWith,
  startAll,
  step,
  submitTo,
  verdictOn,
} from "./retention-scene.ts";

t.test(
  "an expired run leaves no row in any table but the audit chain, and its window is dropped, not emptied",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const rig = await startAll(t, database);
      const { rooms } = rig.stepgate;
      const run = await rig.submit({
        id: "gone",
        labels: { who: "me" },
        budget: { tokens: 100 },
        steps: [step("a"), step("b")],
        edges: [["a", "b"]],
      });
      await rig.ended(run);
      const blobs = await rig.rows("select blob_id::text from stepgate.blobs where run_uid = $1", [run]);
      t.ok(blobs.length > 3, `${blobs.length} sealed payloads`);
      const uids = [run, ...blobs.map(({ blob_id: blob }) => String(blob))];
      const bundle = await exported(rig, rig.tenantUid, run);
      const before = await rowsWith(database, uids);
      for (const name of [
        "runs",
        "steps",
        "run_events",
        "blobs",
        "records",
        "evaluations",
        "artifacts",
        "step_attempts",
      ])
        t.ok((before[name] ?? 0) > 0, `${name} holds it`);
      const maintain = maintainer(database.pool);
      t.match(await maintain(20), { runs: 0, dropped: 0 }, "nothing while it is kept");
      t.same(await rowsWith(database, uids), before);
      const oids = await rig.rows("select oid::integer from pg_class where relname = 'run_events_first'");
      t.match(await maintain(60), { runs: 1, dropped: 8 }, "one run, one window of eight tables");
      const { audit_log: audit = 0, ...others } = await rowsWith(database, uids);
      t.same(others, {}, "no row holds the run or a payload of it");
      t.ok(audit > 0, "but for what was done");
      t.notOk((await partitionsOf(database)).includes("run_events_first"), "the partition is gone");
      t.same(await rig.rows(`select 1 from pg_class where oid = ${oids[0]?.["oid"]}`), [], "dropped, not emptied");
      t.equal(await rooms.store.find(rig.tenantUid, { runUid: run }), undefined, "as if it had never been");
      t.match(await auditVerdict(database, rig.tenantUid), { ok: true });
      t.match(await rig.rows("select resource from stepgate.audit_log where action = 'run.retire'"), [
        { resource: /"runs":1/ },
      ]);
      t.match(
        await rig.rows("select sum(attempts)::integer as attempts from stepgate.billing_usage"),
        [{ attempts: 2 }],
        "billed as before",
      );
      t.equal(verdictOn(rig, bundle), "ok", "evidence that was exported verifies as before");
      t.match(await rig.rows("select runs from stepgate.retired_history"), [{ runs: 1 }]);
      const again = await rig.submit({ id: "gone", steps: [step("a")] });
      t.not(again, run, "its name is free again");
      t.equal((await rig.ended(again)).status, "succeeded");
    });
  },
);

t.test(
  "what must stay stays whole: unfinished, held, forked from, not sealed, kept by obligation or by its tenant",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const rig = await startAll(t, database);
      const patient = await addTenant(rig, "patient", 365);
      const paused = await rig.submit({
        steps: [step("a"), step("b")],
        edges: [["a", "b"]],
        debug: { breakpoints: [{ target: "step", value: "b" }] },
      });
      const held = await rig.submit({ steps: [step("a", { slug: "ask" })] });
      const [forked, unsealed, retained, undelivered, expired, other] = await Promise.all(
        ["a", "a", "law", "a", "a", "a"].map((slug) => rig.submit({ steps: [step("a", { slug })] })),
      );
      for (const run of [forked, unsealed, retained, undelivered, expired, other]) await rig.ended(run as RunUid);
      await rig.until(paused, (_, run) => run.status === "paused_at_step");
      await rig.untilEvent(held, ({ type }) => type === "step_held");
      const patiently = await submitTo(rig, patient);
      await rig.rows(
        `insert into stepgate.sinks (tenant_uid, name, url, is_paused, key_id, wrapped_key, sealed)
         values ($1, 'hook', 'https://example.com', true, 'k', 'w', 's')`,
        [rig.tenantUid],
      );
      await rig.rows("insert into stepgate.deliveries (tenant_uid, sink, run_uid) values ($1, 'hook', $2)", [
        rig.tenantUid,
        String(undelivered),
      ]);
      await rig.rows(
        `insert into stepgate.dead_letters (tenant_uid, sink, run_uid, seq, event_type, body, attempts, fault)
         values ($1, 'hook', $2, 1, 'run_submitted', '{}', 1, 'http_500')`,
        [rig.tenantUid, String(expired)],
      );
      // as a redrive leaves it: a run that is still open goes on from one that has ended
      await rig.rows("insert into stepgate.run_forks values ($1, $2, $3, 'a', $3)", [
        rig.tenantUid,
        paused,
        String(forked),
      ]);
      await rig.rows(
        "insert into stepgate.jobs (tenant_uid, run_uid, kind, run_after) values ($1, $2, 'seal', 'infinity')",
        [rig.tenantUid, String(unsealed)],
      );
      await rig.rows("delete from stepgate.records where run_uid = $1 and kind = 'seal'", [String(unsealed)]);
      const cases = { paused, held, forked, unsealed, retained, undelivered, patiently };
      const rowsOf = async () =>
        Object.fromEntries(
          await Promise.all(
            Object.entries(cases).map(async ([why, run]) => [why, await rowsWith(database, [String(run)])] as const),
          ),
        );
      const before = await rowsOf();
      const maintain = maintainer(database.pool);
      t.match(await maintain(60), { runs: 2, dropped: 8 }, "two are expired, and their window is dropped");
      for (const run of [expired, other]) {
        const { audit_log: _, ...left } = await rowsWith(database, [String(run)]);
        t.same(left, {}, "an expired one is gone");
      }
      const after = await rowsOf();
      for (const why of Object.keys(cases)) t.same(after[why], before[why], `${why}: every row is there`);
      const inRest = await rig.rows("select distinct run_uid from stepgate.run_events_rest");
      t.equal(inRest.length, 7, "outside every window now");
      t.same(
        await rig.rows(
          "select r.batch_id from stepgate.records r left join stepgate.record_batches b using (batch_id) where b.batch_id is null",
        ),
        [],
        "each record has its signed batch",
      );
      for (const run of [forked, retained, patiently]) {
        const tenantUid = run === patiently ? patient : rig.tenantUid;
        t.equal(verdictOn(rig, await exported(rig, tenantUid, run as RunUid)), "ok", "and its evidence verifies");
      }
      t.match(await maintain(60), { runs: 0, dropped: 0 }, "nothing more");
      await rig.rows("delete from stepgate.deliveries");
      t.match(await maintain(60), { runs: 1 }, "each sink has its events");
      await rig.rows("delete from stepgate.run_forks");
      t.match(await maintain(60), { runs: 1 }, "no longer forked from");
      t.match(await maintain(390), { runs: 1 }, "the patient tenant's");
      t.match(await maintain(450), { runs: 1 }, "the one kept by obligation");
      t.same(
        await rig.rows("select 1 from stepgate.runs where ended_at is not null"),
        await rig.rows("select 1 from stepgate.runs where run_uid = $1", [String(unsealed)]),
        "what is not sealed stays for good",
      );
      await rig.stepgate.rooms.store.resume(rig.tenantUid, paused, "test");
      rig.stepgate.rooms.ready.ready();
      t.equal((await rig.ended(paused)).status, "succeeded", "a run whose window is gone goes on");
      t.match(await auditVerdict(database, rig.tenantUid), { ok: true });
    });
  },
);

t.test(
  "a window that holds much of a patient tenant stays, and an impatient one's runs are deleted out of it",
  async (t) => {
    const database = await openTestDatabase(t);
    const rig = await startAll(t, database);
    const patient = await addTenant(rig, "patient", 365);
    const kept = await submitTo(rig, patient);
    const gone = await rig.submit({ steps: [step("a")] });
    await rig.ended(gone);
    const before = await rowsWith(database, [kept]);
    const maintain = maintainer(database.pool, { maxMoved: 0 });
    t.match(await maintain(60), { runs: 1, dropped: 0 });
    const { audit_log: _, ...left } = await rowsWith(database, [gone]);
    t.same(left, {});
    t.same(await rowsWith(database, [kept]), before);
    t.ok((await partitionsOf(database)).includes("run_events_first"));
    t.match(await maintain(400), { runs: 1, dropped: 8 }, "it is dropped once nothing is to be kept");
  },
);

t.test("decisions outside a run, answers to idempotency keys and manifests that no run has go too", async (t) => {
  const database = await openTestDatabase(t);
  const rig = await startAll(t, database);
  const { rooms } = rig.stepgate;
  await rig.ended(await rig.submit({ steps: [step("a")] }));
  const [batch] = await rig.rows("select batch_id from stepgate.record_batches limit 1");
  await rig.rows(
    `insert into stepgate.records (tenant_uid, record_id, window_uid, kind, statement, batch_id, leaf_index)
     values ($1, repeat('ab', 32), $2, 'decision', '{}', $2, 0)`,
    [rig.tenantUid, String(batch?.["batch_id"])],
  );
  await rig.rows(
    "insert into stepgate.idempotency (tenant_uid, idempotency_key, request_digest) values ($1, 'k', 'd'), ($2, 'k', 'd')",
    [rig.tenantUid, "00000000-0000-0000-0000-000000000000"],
  );
  const counts =
    "select (select count(*) from stepgate.records)::integer as records, (select count(*) from stepgate.idempotency)::integer as answers, (select count(*) from stepgate.manifests)::integer as manifests, (select count(*) from stepgate.record_batches)::integer as batches";
  const maintain = maintainer(database.pool);
  await maintain(20);
  t.match(await rig.rows(counts), [{ answers: 2, manifests: 1 }]);
  await maintain(60);
  t.match(
    await rig.rows(counts),
    [{ records: 0, answers: 1, manifests: 0, batches: 0 }],
    "the instance keeps its own for a year",
  );
  t.ok(rooms.store);
});
