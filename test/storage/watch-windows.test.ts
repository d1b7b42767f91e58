/** For how long windows of history are prepared, and who hears of it once nobody made the next. */
import { EventEmitter, once } from "node:events";
import t from "tap";
import { makeHistoryStore } from "../../src/storage/retention-store.ts";
import { makeFindWindowsLeft, watchWindows } from "../../src/storage/watch-windows.ts";
import { forEachDatabase } from "./test-database.ts";

t.test(
  "windows are prepared until the last one ends, or until the first whose partitions could not be made",
  async (t) => {
    await forEachDatabase(t, async (t, { pool }) => {
      const findLeft = makeFindWindowsLeft(pool);
      const daysLeft = async (): Promise<number> => (await findLeft()) / 86_400;
      const first = await daysLeft();
      t.ok(first > 0 && first <= 8, `${first} days after a migration`);
      const store = makeHistoryStore(pool);
      await store.planWindows({ atMs: undefined, aheadDays: 10, windowDays: 10 });
      t.ok(Math.abs((await daysLeft()) - first) < 0.1, "it is planned and has no partition yet");
      for (const missing of await store.missingPartitions()) await store.makePartition(missing);
      t.ok(Math.abs((await daysLeft()) - first - 10) < 0.1);
      await pool.query("update stepgate.history_windows set ends_at = ends_at - interval '30 days'");
      t.ok((await daysLeft()) < -10, "the last has ended");
      await pool.query("delete from stepgate.history_windows");
      t.ok((await daysLeft()) < 0, "there is none");
    });
  },
);

t.test("what is over is told once, is a warning while it lasts, and is told again when it has ended", async (t) => {
  const looks = new EventEmitter();
  const told: string[] = [];
  const log = {
    info: (_: object, text: string) => told.push(`info ${text}`),
    warn: (_: object, text: string) => told.push(`warn ${text}`),
    error: () => undefined,
  };
  let answer: () => Promise<number> = async () => 60;
  const watch = watchWindows({
    findLeft: () => answer(),
    everyMs: 1,
    log,
    onLook: (seconds) => looks.emit("look", seconds),
  });
  t.teardown(watch.stop);
  const next = async (seconds: number): Promise<void> => {
    answer = async () => seconds;
    // twice: the warning is there after the look
    for (let seen = 0; seen < 2; ) if ((await once(looks, "look"))[0] === seconds) seen += 1;
  };
  await next(60);
  t.equal(watch.warning(), undefined);
  await next(-90.5);
  t.match(watch.warning(), { name: "history", about: "ended 90 s ago", advice: "owns the schema" });
  answer = () => Promise.reject(new Error("gone"));
  await new Promise<void>((resolve) => {
    const warn = log.warn;
    log.warn = (fields, text) => {
      resolve();
      return warn(fields, text);
    };
  });
  t.match(watch.warning(), { name: "history" }, "nobody knows better");
  await next(5);
  t.equal(watch.warning(), undefined);
  t.same(
    told.filter((line) => !/could not be seen/.test(line)),
    ["warn no window of history is prepared: nobody could make one", "info windows of history are prepared again"],
  );
});
