/** Where nobody can make windows of history, readiness, log and metrics say so, and steps are performed nevertheless. */
import t from "tap";
import { openTestDatabase } from "../storage/test-database.ts";
import { allow, done, makeSink, startRig } from "./rig.ts";

t.test("a Stepgate whose last window of history has ended warns of it, and stays ready", async (t) => {
  const database = await openTestDatabase(t);
  await database.pool.query("update stepgate.history_windows set ends_at = now() - interval '1 hour'");
  const lines: string[] = [];
  // somebody else maintains, and does not get on
  await database
    .openPool({ maxConnections: 1, limits: { idleInTransactionMs: 300_000 } })
    .transaction(async (other) => {
      await other.query("select stepgate.may_maintain()");
      const rig = await startRig(t, {
        database,
        packs: { open: allow },
        adapters: [makeSink(() => done(null)).adapter],
        env: { STEPGATE_METRICS_LISTEN: "127.0.0.1:0" },
        onLogLine: (line) => lines.push(line),
      });
      const { gateway, rooms } = rig.stepgate;
      const readiness = async () => {
        const answer = await fetch(`${gateway?.url}/readyz`);
        return { status: answer.status, ...((await answer.json()) as { readonly warnings?: readonly object[] }) };
      };
      const endMs = performance.now() + 60_000;
      let seen = await readiness();
      while ((seen.warnings === undefined || seen.status !== 200) && performance.now() < endMs) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        seen = await readiness();
      }
      t.match(seen, {
        status: 200,
        ready: true,
        warnings: [{ name: "history", about: /^the last window of history ended 36\d\d s ago/, advice: /log/ }],
      });
      const seconds = Number(/^stepgate_history_prepared_seconds (\S+)$/m.exec(await rooms.metrics.text())?.[1]);
      t.ok(seconds <= -3600 && seconds > -4200, `${seconds} s`);
      const told = lines.map((line) => JSON.parse(line)).filter(({ msg }) => /no window of history/.test(msg));
      t.match(told, [{ level: "warn", advice: /STEPGATE_DATABASE_URL/ }], "told once");
      const run = await rig.submit({ steps: [{ id: "a", type: "sink", inputs: {} }] });
      t.equal((await rig.ended(run)).status, "succeeded");
    });
});
