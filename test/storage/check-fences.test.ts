import t from "tap";
import { checkFences } from "../../src/storage/check-fences.ts";
import { migrate, readSchema } from "../../src/storage/migrate.ts";
import { setUpRoles } from "../../src/storage/set-up-roles.ts";
import { forEachDatabase } from "./test-database.ts";

t.test("K7 the gateway's role may not be able to pass row security, in any way", async (t) => {
  await forEachDatabase(
    t,
    async (t, { pool, openPool }) => {
      await migrate({ pool, schema: await readSchema() });
      const { gateway, worker } = await setUpRoles(pool);
      const fenced = openPool({ role: gateway, isFenced: true, maxConnections: 1 });
      const owner = (await pool.query<{ who: string }>("select current_user::text as who")).rows[0]?.who ?? "";
      const cases = [
        { why: "superuser", open: `alter role ${gateway} superuser`, shut: `alter role ${gateway} nosuperuser` },
        { why: "bypassrls", open: `alter role ${gateway} bypassrls`, shut: `alter role ${gateway} nobypassrls` },
        { why: "createrole", open: `alter role ${gateway} createrole`, shut: `alter role ${gateway} nocreaterole` },
        { why: "replication", open: `alter role ${gateway} replication`, shut: `alter role ${gateway} noreplication` },
        {
          why: "owner",
          open: `alter table stepgate.runs owner to ${gateway}`,
          shut: `alter table stepgate.runs owner to ${owner}; grant select, insert, update on stepgate.runs to ${gateway}`,
        },
        {
          why: "member_of",
          open: `grant ${owner} to ${gateway}`,
          shut: `revoke ${owner} from ${gateway}`,
          other: owner,
        },
        {
          why: "member_of",
          open: `alter role ${worker} bypassrls; grant ${worker} to ${gateway}`,
          shut: `alter role ${worker} nobypassrls; revoke ${worker} from ${gateway}`,
          other: worker,
        },
        {
          why: "open_table",
          open: "alter table stepgate.blobs disable row level security",
          shut: "alter table stepgate.blobs enable row level security",
          table: "blobs",
        },
      ];
      await checkFences(fenced);
      for (const { why, open, shut, ...detail } of cases) {
        await pool.query(open);
        await t.rejects(checkFences(fenced), {
          code: "STORE_FENCE_OPEN",
          detail: { reason: why, role: gateway, ...detail },
        });
        await pool.query(shut);
        await checkFences(fenced);
        t.pass(`${why}: shut again`);
      }
      await pool.query(`grant ${worker} to ${gateway}`);
      await t.rejects(checkFences(fenced), { code: "STORE_FENCE_OPEN" }, "the worker's role sees every tenant");
    },
    { isMigrated: false },
  );
});
