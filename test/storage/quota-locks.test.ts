/**
 * In which order admissions share the quotas of several tenants.
 */
import t from "tap";
import { forEachDatabase } from "./test-database.ts";

const TENANTS = ["0198c0de-0000-7000-8000-00000000000a", "0198c0de-0000-7000-8000-00000000000b"] as const;

t.test("an admission that waits for one tenant's quotas holds none that come later", async (t) => {
  await forEachDatabase(t, async (t, { pool }) => {
    const { rows } = await pool.query<{ tenant: string }>(
      "select t::text as tenant from unnest($1::uuid[]) t order by uuid_hash(t)",
      [TENANTS],
    );
    const [first = "", later = ""] = rows.map(({ tenant }) => tenant);
    for (const batch of [
      [first, later],
      [later, first, later],
    ]) {
      const [locked, waiting] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      const putting = pool.transaction(async (putter) => {
        await putter.query("select pg_advisory_xact_lock(21320, uuid_hash($1::uuid))", [first]);
        locked.resolve();
        await waiting.promise;
        const { rows: free } = await putter.query<{ is_free: boolean }>(
          "select pg_try_advisory_xact_lock(21320, uuid_hash($1::uuid)) as is_free",
          [later],
        );
        return free[0]?.is_free;
      });
      await locked.promise;
      const admitting = pool.transaction((admission) =>
        admission.query<{ shared: number }>("select stepgate.share_quotas($1::uuid[]) as shared", [batch]),
      );
      for (let waits = 0; waits === 0; ) {
        const { rows: locks } = await pool.query(
          "select 1 from pg_locks where locktype = 'advisory' and classid = 21320 and not granted and database = (select oid from pg_database where datname = current_database())",
        );
        waits = locks.length;
      }
      waiting.resolve();
      t.equal(await putting, true, `of ${batch.length}`);
      t.equal((await admitting).rows[0]?.shared, 2);
    }
  });
});
