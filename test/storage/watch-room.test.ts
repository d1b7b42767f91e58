/** The watch of the database's room: full from the first word of it until a try finds room, and silent meanwhile. */
import t from "tap";
import { StepgateError } from "../../src/core/errors.ts";
import type { Connection } from "../../src/storage/pool.ts";
import { watchRoom } from "../../src/storage/watch-room.ts";
import { openTestDatabase, silentLog } from "./test-database.ts";

const FULL = { ok: false, code: "STORE_FULL", advice: /room/ };

t.test("a disk that was found full is tried again and again, until one try finds room, and then no more", async (t) => {
  const database = await openTestDatabase(t);
  let tries = 0;
  let hasRoom = false;
  let tried = (): void => undefined;
  const nextTry = () => new Promise<void>((resolve) => (tried = resolve));
  const pool: Connection = {
    query: async (text, values) => {
      tries += 1;
      tried();
      if (!hasRoom) throw new StepgateError("STORE_FULL", { sqlState: "53100" });
      return database.pool.query(text, values);
    },
  };
  const lines: string[] = [];
  const log = { ...silentLog, error: () => lines.push("full"), info: () => lines.push("room") };
  const room = watchRoom({ pool, everyMs: 1, log });
  t.teardown(room.stop);
  t.same([room.verdict(), tries], [{ ok: true }, 0], "the control: while nobody found it full, nothing is tried");
  for (const round of [1, 2]) {
    room.foundFull();
    room.foundFull();
    t.match(room.verdict(), FULL, `round ${round}`);
    for (let each = 0; each < 3; each += 1) await nextTry();
    t.match(room.verdict(), FULL, "a try that finds none changes nothing");
    hasRoom = true;
    while (!room.verdict().ok) await new Promise((resolve) => setTimeout(resolve, 1));
    hasRoom = false;
    const before = tries;
    await new Promise((resolve) => setTimeout(resolve, 20));
    t.equal(tries, before, "with room, nothing is tried");
  }
  t.same(lines, ["full", "room", "full", "room"], "each change is said once");
  const { rows } = await database.pool.query("select to_regclass('stepgate.room') is null as is_gone");
  t.same(rows, [{ is_gone: true }], "what was taken was given back");
});

t.test("a watch that was stopped tries nothing", async (t) => {
  const pool: Connection = { query: async () => t.fail("tried") as never };
  const room = watchRoom({ pool, everyMs: 1, log: silentLog });
  await room.stop();
  room.foundFull();
  t.same(room.verdict(), { ok: true });
});
