/** Who holds back vacuum longest: sessions say since when, slots are watched for it; and what ends each. */
import t from "tap";
import type { Connection } from "../../src/storage/pool.ts";
import { adviceOnHolder, makeFindVacuumHolder, nameHolder } from "../../src/storage/vacuum-horizon.ts";
import { forEachDatabase } from "./test-database.ts";

const row = { application: "", owner: "", state: "", xmin: "700", held_ms: null };

function answering(rows: readonly object[]): Connection {
  return { query: async () => ({ rows: rows as never[], rowCount: rows.length }) };
}

t.test("a slot is held against where it stood before: one that moves on holds back nothing for long", async (t) => {
  let nowMs = 0;
  const rows = [{ ...row, kind: "slot", name: "standby", state: "inactive" }];
  const find = makeFindVacuumHolder(answering(rows), () => nowMs);
  t.match(await find(), { heldMs: 0 }, "seen for the first time");
  nowMs = 90_000;
  t.match(await find(), { kind: "slot", name: "standby", heldMs: 90_000 });
  rows[0] = { ...row, kind: "slot", name: "standby", state: "active", xmin: "701" };
  t.match(await find(), { heldMs: 0 }, "it went on");
});

t.test("the longest of several is named, with what ends it", async (t) => {
  const find = makeFindVacuumHolder(
    answering([
      { ...row, kind: "session", name: "4711", application: "psql", owner: "alice", state: "active", held_ms: 5000 },
      { ...row, kind: "prepared", name: "it's", held_ms: 7000 },
    ]),
    () => 0,
  );
  const found = await find();
  t.match(found, { kind: "prepared", heldMs: 7000 });
  for (const [kind, name, advice] of [
    ["session", "4711", /pg_terminate_backend\(4711\)/],
    ["prepared", "it's", /rollback prepared 'it''s'/],
    ["slot", "standby", /pg_drop_replication_slot\('standby'\)/],
  ] as const)
    t.match(adviceOnHolder({ kind, name }), advice, kind);
  const alice = {
    kind: "session",
    name: "4711",
    application: "psql",
    owner: "alice",
    state: "idle",
    heldMs: 1,
  } as const;
  t.equal(nameHolder(alice), "session 4711 of psql (alice, idle)");
});

t.test("the statement runs on every server that is supported, and does not name who asks", async (t) => {
  await forEachDatabase(t, async (t, { openPool }) => {
    const holder = await makeFindVacuumHolder(openPool({ maxConnections: 1 }), () => 0)();
    t.ok(holder === undefined || holder.heldMs < 600_000, JSON.stringify(holder));
  });
});
