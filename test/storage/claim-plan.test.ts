/**
 * The claim stops with the last step that it leases: its walk follows the index of the order, and nothing is sorted (spec 02).
 */
import { readFile } from "node:fs/promises";
import t from "tap";
import { forEachDatabase } from "./test-database.ts";

const CLAIM = new URL("../../src/storage/functions/claim.sql", import.meta.url);
const PARAMETERS: readonly (readonly [string, string])[] = [
  ["p_tenant", "uuid"],
  ["p_depth", "integer"],
  ["v_now", "timestamptz"],
  ["p_alone", "boolean"],
  ["v_types", "text[]"],
  ["p_limit", "integer"],
];

t.test("the walk of a claim is one index scan in the steps' order, without a sort", async (t) => {
  const text = await readFile(CLAIM, "utf8");
  const [, settings = ""] =
    /function stepgate\.claim_steps\([\s\S]*?language plpgsql([\s\S]*?) as \$\$/.exec(text) ?? [];
  const off = [...settings.matchAll(/set (enable_\w+) = off/g)].map(([, name]) => name);
  t.ok(off.length > 3, "the settings of the function are found");
  const [, walk = ""] = /return query with due as \(\n([\s\S]*?limit p_limit)\),/.exec(text) ?? [];
  t.match(walk, /for update skip locked/, "its statement is found");
  const statement = PARAMETERS.reduce(
    (found, [name], index) => found.replaceAll(new RegExp(`\\b${name}\\b`, "g"), `$${index + 1}`),
    walk,
  );
  await forEachDatabase(t, async (t, { pool }) => {
    const plan = await pool.transaction(async (connection) => {
      for (const name of off) await connection.query(`set local ${name} = off`);
      await connection.query("set local plan_cache_mode = force_generic_plan");
      await connection.query(`prepare walk (${PARAMETERS.map(([, type]) => type).join(", ")}) as ${statement}`);
      const { rows } = await connection.query<{ "QUERY PLAN": string }>(
        "explain (costs off) execute walk ('00000000-0000-0000-0000-000000000000', 512, now(), false, '{sink}', 8)",
      );
      await connection.query("deallocate walk");
      return rows.map((row) => row["QUERY PLAN"]).join("\n");
    });
    t.equal(plan.match(/ready_steps_rank_idx/g)?.length, 1, plan);
    t.match(plan, /Tid Scan on ready_steps/, "a step is tried where the walk found it");
    t.notMatch(plan, /Sort|Bitmap|Seq Scan|Hash/, plan);
  });
});
