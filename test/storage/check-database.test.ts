import t from "tap";
import { isStepgateError } from "../../src/core/errors.ts";
import { checkDatabase } from "../../src/storage/check-database.ts";
import { forEachDatabase } from "./test-database.ts";

t.test("K7 refuses a database that would acknowledge what is not on disk", async (t) => {
  await forEachDatabase(t, async (t, { pool, openPool }) => {
    t.match(await checkDatabase(pool), { version: /^1[5-9]/, nowMs: Number }, "the control: as it was made, it passes");
    await pool.query(
      "do $$ begin execute format('alter database %I set synchronous_commit = off', current_database()); end $$",
    );
    const refused = await checkDatabase(openPool()).catch((caught: unknown) => caught);
    t.ok(isStepgateError(refused, "STORE_UNSAFE"));
    t.match(refused, { detail: { setting: "synchronous_commit", value: "off" } });
  });
});
