/** Retention keeps nobody waiting for longer than it must, and says what others kept it from. */
import t, { type Test } from "tap";
import { makeHistoryStore } from "../../src/storage/retention-store.ts";
import { DAY_MS, maintainer, placesOf, plantRun, plantTenant, TENANT, uidIn, untilBlocked } from "./history-scene.ts";
import { openTestDatabase, type TestDatabase } from "./test-database.ts";

/** A database whose first window may be dropped in 60 days, but for the run that goes on. */
async function openScene(t: Test): Promise<TestDatabase & { readonly gone: string; readonly open: string }> {
  const database = await openTestDatabase(t);
  await plantTenant(database.pool);
  await maintainer(database.pool)(1);
  const [gone, open] = [uidIn(-3), uidIn(-2)];
  await plantRun(database.pool, { runUid: gone, endedInDays: 0 });
  await plantRun(database.pool, { runUid: open, endedInDays: undefined });
  return { ...database, gone, open };
}

const atMs = (): number => Date.now() + 60 * DAY_MS;

t.test("what others hold, or another who maintains, is left and said not to be done", async (t) => {
  const { pool, openPool, gone } = await openScene(t);
  const store = makeHistoryStore(pool);
  const [first] = await store.dueRanges(atMs());
  if (first === undefined) throw new TypeError("nothing is due");
  const retire = () => store.retireRuns({ atMs: atMs(), of: first, limit: 10, hasHistory: true });
  const other = openPool({ maxConnections: 1 });
  await other.transaction(async ({ query }) => {
    await query("select 1 from stepgate.runs where tenant_uid = $1 and run_uid = $2 for key share", [TENANT, gone]);
    t.same(await retire(), { removed: 0, isDone: false }, "somebody forks it");
    t.match(await maintainer(pool)(60), { runs: 0, dropped: 7 }, "its window stays, the next one goes");
    t.ok((await placesOf(pool, gone)).includes("run_events_first"));
  });
  await other.transaction(async ({ query }) => {
    await query("select stepgate.may_maintain()");
    t.same(await retire(), { removed: 0, isDone: false }, "another maintains");
    const all = { atMs: atMs(), of: first, limit: 10 };
    t.same(await store.retireDecisions(all), { removed: 0, isDone: false });
    t.same(await store.retireOrphans({ name: "first", limit: 10 }), { removed: 0, isDone: false });
    t.same(await store.retireLeftovers(all), { removed: 0, isDone: false });
    t.equal(await store.judgeWindow({ ...all, name: "first", maxKept: 10 }), "busy");
    t.equal(await store.dropPartition({ ...all, name: "first", relation: "blobs", maxKept: 10 }), "later");
  });
  t.same(await retire(), { removed: 1, isDone: true }, "the control");
});

t.test(
  "a partition is dropped while others hold other partitions, and only its own table waits for a reader",
  async (t) => {
    const { pool, openPool, open } = await openScene(t);
    const store = makeHistoryStore(pool);
    const drop = (relation: string) => store.dropPartition({ atMs: atMs(), name: "first", relation, maxKept: 100 });
    t.equal(await store.judgeWindow({ atMs: atMs(), name: "first", maxKept: 100 }), "dropping");
    const later = (
      await pool.query<{ name: string }>("select name from stepgate.history_windows where name <> 'first'")
    ).rows[0];
    const other = openPool({ maxConnections: 1 });
    await other.transaction(async ({ query }) => {
      // as vacuum holds it, or whoever makes an index
      await query(`lock table only stepgate.run_events_${later?.name} in share update exclusive mode`);
      t.equal(await drop("run_events"), "dropped", "another window's partition");
      await query("select 1 from stepgate.blobs limit 1");
      t.equal(await drop("blobs"), "locked", "a reader of the table itself");
    });
    t.ok((await placesOf(pool, open)).includes("run_events_rest"));

    // vacuum of the partition itself: it is waited for, and nobody waits meanwhile
    let dropped: Promise<string> | undefined;
    await other.transaction(async ({ query }) => {
      await query("lock table only stepgate.blobs_first in share update exclusive mode");
      dropped = drop("blobs");
      await untilBlocked(pool, "drop_partition");
      const writer = openPool({ maxConnections: 1, limits: { lockMs: 100 } });
      await writer.query(
        `insert into stepgate.blobs (tenant_uid, blob_id, run_uid, step_id, field, key_id, wrapped_key, sealed)
       values ($1, $2, $3, 'a', 'input', 'k', 'w', 's')`,
        [TENANT, uidIn(-1), open],
      );
    });
    t.equal(await dropped, "dropped");
    t.ok((await placesOf(pool, open)).includes("blobs_rest"), "what was written meanwhile is kept too");

    const brief = makeHistoryStore(openPool({ maxConnections: 1, limits: { statementMs: 50 } }));
    await other.transaction(async ({ query }) => {
      await query("select 1 from stepgate.cost_ledger limit 1");
      await query("lock table only stepgate.cost_ledger_first in share update exclusive mode");
      await t.rejects(
        brief.dropPartition({ atMs: atMs(), name: "first", relation: "cost_ledger", maxKept: 100 }),
        { code: "STORE_BUSY", detail: { sqlState: "57014" } },
        "a statement that was cancelled is no lock that others hold",
      );
    });
  },
);

t.test("what is written by a clock far behind, after it was chosen what stays, is not dropped with it", async (t) => {
  const { pool, openPool, open } = await openScene(t);
  const store = makeHistoryStore(pool);
  const drop = (relation: string) => store.dropPartition({ atMs: atMs(), name: "first", relation, maxKept: 100 });
  await store.judgeWindow({ atMs: atMs(), name: "first", maxKept: 100 });
  const other = openPool({ maxConnections: 1 });
  for (const relation of await store.historyTables()) {
    const [runUid, blob] = [uidIn(-1), uidIn(-1)];
    let dropped: Promise<string> | undefined;
    await other.transaction(async ({ query }) => {
      await query(`lock table only stepgate.${relation}_first in share update exclusive mode`);
      dropped = drop(relation);
      await untilBlocked(pool, "drop_partition");
      await plantRun(pool, { runUid, endedInDays: undefined, blobs: [blob] });
    });
    t.equal(await dropped, "later", relation);
    t.equal(await drop(relation), "dropped", `${relation}: chosen anew`);
    for (const uid of [runUid, open]) {
      const places = (await placesOf(pool, uid)).map((place) => place.replace(/_(first|rest)$/, ""));
      const tables = ["record_batches", "records", "run_events"];
      t.same(places, uid === open ? tables : ["blobs", ...tables], `${relation}: all of the run is there`);
    }
    if (relation === "blobs") t.same(await placesOf(pool, blob), ["blobs_rest"]);
  }
});

t.test(
  "the audit chain of a tenant goes on while runs of it are deleted, and tells of them once they are",
  async (t) => {
    const { pool, openPool, gone } = await openScene(t);
    const other = openPool({ maxConnections: 1 });
    let maintained: Promise<unknown> | undefined;
    await pool.query("select stepgate.append_audit($1, 'test', 'test', '{}')", [TENANT]);
    await other.transaction(async ({ query }) => {
      // the cascade waits for a row that somebody holds
      await query("select 1 from stepgate.steps where tenant_uid = $1 and run_uid = $2 for update", [TENANT, gone]);
      maintained = maintainer(openPool({ limits: { lockMs: 60_000 } }))(60);
      await untilBlocked(pool, "retire_runs");
      await openPool({ maxConnections: 1, limits: { lockMs: 100 } }).query(
        "select stepgate.append_audit($1, 'test', 'test', '{}')",
        [TENANT],
      );
    });
    t.match(await maintained, { runs: 1 });
    const { rows } = await pool.query("select action from stepgate.audit_log where tenant_uid = $1 order by seq", [
      TENANT,
    ]);
    t.match(rows, [{ action: "test" }, { action: "test" }, { action: "run.retire" }]);
  },
);
