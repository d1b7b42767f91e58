/** What goes and what stays of runs, wherever their rows are: in a window, in several, outside of all. */
import t from "tap";
import { makeHistoryStore } from "../../src/storage/retention-store.ts";
import { DAY_MS, maintainer, placesOf, plantRun, plantTenant, TENANT, uidIn } from "./history-scene.ts";
import { forEachDatabase, openTestDatabase } from "./test-database.ts";

/** As a name-based uuid may be. */
const odd = (): string => uidIn(0).replace(/^.{8}/, "fe900000");

t.test(
  "payloads of a run whose uuid tells no time, and of one of an older window, outlive the window they are in",
  async (t) => {
    await forEachDatabase(t, async (t, { pool }) => {
      await plantTenant(pool);
      const maintain = maintainer(pool);
      await maintain(1);
      const [named, older, gone] = [odd(), uidIn(-3), uidIn(-2)];
      const [ofNamed, ofOlder, ofGone] = [uidIn(-1), uidIn(11), uidIn(-1)];
      await plantRun(pool, { runUid: named, endedInDays: undefined, blobs: [ofNamed] });
      await plantRun(pool, { runUid: older, endedInDays: undefined, blobs: [ofOlder] });
      await plantRun(pool, { runUid: gone, endedInDays: 0, blobs: [ofGone] });
      t.same(await placesOf(pool, ofNamed), ["blobs_first"]);
      t.match(await maintain(60), { runs: 1, dropped: 16 }, "two windows of eight tables");
      t.same(await placesOf(pool, gone), []);
      t.same(await placesOf(pool, ofNamed), ["blobs_rest"]);
      t.same(await placesOf(pool, ofOlder), ["blobs_rest"]);
      t.same(await placesOf(pool, older), ["blobs_rest", "record_batches_rest", "records_rest", "run_events_rest"]);
    });
  },
);

t.test("more payloads than may be moved keep their window, and the rest of it goes by run", async (t) => {
  const { pool } = await openTestDatabase(t);
  await plantTenant(pool);
  const maintain = maintainer(pool, { maxMoved: 3 });
  await maintain(1);
  const [named, older, gone] = [odd(), uidIn(-3), uidIn(-2)];
  await plantRun(pool, { runUid: named, endedInDays: undefined, blobs: [uidIn(-1), uidIn(-1), uidIn(-1), uidIn(-1)] });
  await plantRun(pool, { runUid: gone, endedInDays: 0, blobs: [uidIn(-1)] });
  t.match(await maintain(60), { runs: 1, dropped: 7 }, "of the second window, which is empty");
  t.same(await placesOf(pool, gone), ["record_batches_first"], "but for a digest");
  t.match(await placesOf(pool, named), ["blobs_first"], "where they were");
  t.match(await maintainer(pool, { maxMoved: 4 })(60), { dropped: 9 }, "the control: one more may be moved");

  await plantRun(pool, { runUid: older, endedInDays: undefined });
  t.ok((await placesOf(pool, older)).includes("run_events_rest"), "no window takes in its time any more");
});

t.test("a run whose window is half dropped leaves nothing in the partitions of what outlives a window", async (t) => {
  const { pool } = await openTestDatabase(t);
  await plantTenant(pool);
  await maintainer(pool)(1);
  const [late, gone] = [uidIn(-3), uidIn(-2)];
  const blobs = [uidIn(-1), uidIn(11), odd()];
  await plantRun(pool, { runUid: late, endedInDays: 35, blobs });
  await plantRun(pool, { runUid: gone, endedInDays: 0 });
  let left = 7;
  const isStopping = (): boolean => left <= 0;
  const onProgress = (): void => {
    left -= 1;
  };
  t.match(await maintainer(pool, { isStopping, onProgress })(60), { runs: 1, dropped: 6 }, "stopped in between");
  const places = await placesOf(pool, late);
  t.ok(places.includes("run_events_rest") && places.includes("record_batches_first"), places.join(", "));
  t.match(await maintainer(pool)(70), { runs: 1, dropped: 10 }, "the rest of it, and the next window");
  t.same(await placesOf(pool, late), []);
});

t.test("a batch outlives its window as long as anything that it signs does", async (t) => {
  const { pool } = await openTestDatabase(t);
  await plantTenant(pool);
  await maintainer(pool)(1);
  const { rows } = await pool.query<{ ms: number }>(
    "select stepgate.epoch_ms(ends_at) as ms from stepgate.history_windows where name = 'first'",
  );
  const edge = (Number(rows[0]?.ms) - Date.now()) / DAY_MS;
  // its maker's clock ran ahead: the run is of the second window, its batch of the first
  const [batchId, early, ahead] = [uidIn(edge - 0.5), uidIn(-3), uidIn(edge + 0.4)];
  await plantRun(pool, { runUid: early, endedInDays: edge + 3, batchId });
  await plantRun(pool, { runUid: ahead, endedInDays: edge + 32, batchId });
  t.match(await maintainer(pool)(edge + 32), { dropped: 8 }, "the first window");
  t.match(await placesOf(pool, batchId), ["record_batches_rest", /^records_\d{8}$/, "records_rest"]);
  t.match(await maintainer(pool)(edge + 34), { runs: 1 }, "the earlier one");
  t.match(await placesOf(pool, batchId), ["record_batches_rest", /^records_\d{8}$/], "the other's record is left");
  t.match(await maintainer(pool)(edge + 67), { runs: 1, leftovers: 2 }, "its batch, and the manifest");
  t.same(await placesOf(pool, batchId), [], "and no digest once it is gone");
});

t.test("rows that were written while nobody made windows stay where they are, and go by run", async (t) => {
  await forEachDatabase(t, async (t, { pool }) => {
    await plantTenant(pool);
    const [gone, kept] = [uidIn(12), uidIn(38)];
    await plantRun(pool, { runUid: gone, endedInDays: 12 });
    await plantRun(pool, { runUid: kept, endedInDays: 38 });
    t.match(await maintainer(pool, { isDropping: false })(40), { made: 8 }, "from the next day on");
    for (const uid of [gone, kept])
      t.same(new Set(await placesOf(pool, uid)), new Set(["record_batches_rest", "records_rest", "run_events_rest"]));
    t.match(await maintainer(pool)(50), { runs: 1 });
    t.same(
      (await placesOf(pool, gone)).filter((place) => !place.startsWith("record_batches")),
      [],
    );
    t.same((await placesOf(pool, kept)).length, 3);
  });
});

t.test("a window that may not be dropped after all gives up what its runs left in it row by row", async (t) => {
  const { pool } = await openTestDatabase(t);
  await plantTenant(pool);
  await maintainer(pool)(1);
  const [grown, gone] = [uidIn(-3), uidIn(-2)];
  await plantRun(pool, { runUid: grown, endedInDays: undefined, events: 5 });
  await plantRun(pool, { runUid: gone, endedInDays: 0, blobs: [uidIn(-1)] });
  let isStopped = false;
  const stopped = maintainer(pool, { maxMoved: 5, isStopping: () => isStopped, onProgress: () => (isStopped = true) });
  t.match(await stopped(60), { runs: 1, dropped: 0 });
  t.ok((await placesOf(pool, gone)).includes("run_events_first"), "its rows wait for the window to go");
  await pool.query(
    "insert into stepgate.run_events (tenant_uid, run_uid, seq, type, data) values ($1, $2, 6, 'run_paused', '{}')",
    [TENANT, grown],
  );
  const store = makeHistoryStore(pool);
  t.equal(await store.judgeWindow({ atMs: undefined, name: "first", maxKept: 5 }), "stuck");
  t.equal(
    await store.dropPartition({ atMs: undefined, name: "first", relation: "run_events", maxKept: 5 }),
    "later",
    "counted again where the lock is taken",
  );
  t.match(await maintainer(pool, { maxMoved: 5 })(60), { leftovers: 4 }, "events, payload and seal");
  t.same(await placesOf(pool, gone), ["record_batches_first"], "but for a digest");
  t.equal((await pool.query("select 1 from stepgate.run_events where run_uid = $1", [grown])).rowCount, 6);
});
