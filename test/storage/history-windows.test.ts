/** Tables of history become partitioned with all that is in them, and every row finds a place whatever its uuid says. */
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { systemClock } from "../../src/core/clock.ts";
import { makeMaintain } from "../../src/scheduler/retention.ts";
import { migrate, readSchema } from "../../src/storage/migrate.ts";
import type { Pool } from "../../src/storage/pool.ts";
import { makeHistoryStore } from "../../src/storage/retention-store.ts";
import { forEachDatabase } from "./test-database.ts";

const TENANT = "01990000-0000-7000-8000-000000000001";
const RUN = "01990000-0000-7000-8000-00000000000a";
/** As a name-based uuid may be, or one of a clock that is wrong. */
const ODD = "fe900000-0000-5000-8000-00000000000b";

async function plant(pool: Pool, runUid: string, hasWindowColumn: boolean): Promise<void> {
  const values = [TENANT, runUid];
  await pool.query(
    "insert into stepgate.run_events (tenant_uid, run_uid, seq, type, data) values ($1, $2, 1, 'run_submitted', '{}')",
    values,
  );
  await pool.query(
    `insert into stepgate.blobs (tenant_uid, blob_id, run_uid, step_id, field, key_id, wrapped_key, sealed)
     values ($1, $2, $2, 'a', 'input', 'k', 'w', 's')`,
    values,
  );
  const [column, value] = hasWindowColumn ? ["window_uid, ", "$2, "] : ["", ""];
  await pool.query(
    `insert into stepgate.records (tenant_uid, record_id, ${column}run_uid, kind, statement, batch_id, leaf_index)
     values ($1, $3, ${value}$2, 'admission', '{}', $2, 0)`,
    [...values, runUid.slice(-1).repeat(64)],
  );
  await pool.query(
    `insert into stepgate.record_batches (batch_id, kid, size, leaves, statement, signature)
     values ($1, 'k', 1, decode(repeat('00', 32), 'hex'), '{}', 's')`,
    [runUid],
  );
}

const placesOf = async (pool: Pool, table: string, uid: string) =>
  (
    await pool.query<{ place: string }>(
      `select tableoid::regclass::text as place from stepgate.${table} x where x::text like '%' || $1::text || '%'`,
      [uid],
    )
  ).rows.map(({ place }) => place.replace("stepgate.", ""));

t.test("a database with history is migrated with every row, key and trigger of it", async (t) => {
  await forEachDatabase(
    t,
    async (t, { pool }) => {
      const schema = await readSchema();
      const count = schema.migrations.findIndex(({ name }) => name === "history_windows");
      await migrate({ pool, schema: { migrations: schema.migrations.slice(0, count), functions: "" } });
      await pool.query("insert into stepgate.tenants (tenant_uid, tenant_id) values ($1, 'default')", [TENANT]);
      for (const uid of [RUN, ODD]) await plant(pool, uid, false);
      await pool.query(
        `insert into stepgate.records (tenant_uid, record_id, kind, statement, batch_id, leaf_index)
         values ($1, repeat('d', 64), 'decision', '{}', $2, 0)`,
        [TENANT, RUN],
      );
      await migrate({ pool, schema });
      for (const table of ["run_events", "blobs", "record_batches"]) {
        t.same(await placesOf(pool, table, RUN), [`${table}_first`], `${table}: in the first window`);
        t.same(await placesOf(pool, table, ODD), [`${table}_rest`], `${table}: outside every window`);
        await t.rejects(
          pool.query(`insert into stepgate.${table} select * from stepgate.${table}`),
          { code: "STORE_REFUSED", detail: { sqlState: "23505" } },
          `${table}: keys hold`,
        );
      }
      t.same(
        await placesOf(pool, "records", RUN),
        ["records_first", "records_first"],
        "a decision outside a run is placed by its batch",
      );
      for (const [table, column] of [
        ["run_events", "type"],
        ["records", "statement"],
        ["record_batches", "statement"],
      ])
        await t.rejects(
          pool.query(`update stepgate.${table} set ${column} = 'x'`),
          { code: "STORE_REFUSED", detail: { sqlState: "SG003" } },
          `${table}: only ever added`,
        );
    },
    { isMigrated: false },
  );
});

t.test("a row whose window nobody made is stored, and found in its window once that is made", async (t) => {
  await forEachDatabase(t, async (t, { pool }) => {
    await pool.query("insert into stepgate.tenants (tenant_uid, tenant_id) values ($1, 'default')", [TENANT]);
    const soonMs = Date.now() + 12 * 86_400_000;
    const uid = `${soonMs
      .toString(16)
      .padStart(12, "0")
      .replace(/^(.{8})(.{4})$/, "$1-$2")}-7000-8000-00000000000c`;
    for (const one of [uid, ODD]) await plant(pool, one, true);
    t.same(await placesOf(pool, "run_events", uid), ["run_events_rest"]);
    const maintain = makeMaintain({
      store: makeHistoryStore(pool),
      windowDays: 7,
      maxMoved: 0,
      isDropping: false,
      isStopping: () => false,
      clock: systemClock,
      pause: (ms) => sleep(ms),
      onProgress: () => undefined,
    });
    t.match(await maintain(Date.now() + 8 * 86_400_000), { dropped: 0 });
    for (const table of ["run_events", "blobs", "records", "record_batches"]) {
      t.match(await placesOf(pool, table, uid), [new RegExp(`^${table}_\\d{8}$`)], `${table}: moved`);
      t.same(await placesOf(pool, table, ODD), [`${table}_rest`], `${table}: what has no window stays`);
    }
    t.match(await maintain(undefined), { made: 0 }, "nothing is missing");
  });
});
