/**
 * A transaction that somebody forgot keeps dead rows from going: readiness, metrics, log and doctor say so, and who it is.
 */
import t from "tap";
import { runCli } from "../cli/run-cli.ts";
import { startPrivateServer } from "../storage/private-server.ts";
import { startRig } from "./rig.ts";

t.test("who holds back vacuum with an open transaction is warned of for as long as it lasts", async (t) => {
  const database = await startPrivateServer(t);
  const lines: string[] = [];
  const rig = await startRig(t, {
    database,
    env: { STEPGATE_VACUUM_HELD_WARN_MS: "1000", STEPGATE_METRICS_LISTEN: "127.0.0.1:0" },
    onLogLine: (line) => lines.push(line),
  });
  const { gateway, rooms } = rig.stepgate;
  const readiness = async () => {
    const answer = await fetch(`${gateway?.url}/readyz`);
    return { status: answer.status, ...((await answer.json()) as { readonly warnings?: readonly object[] }) };
  };
  const until = async (isWarned: boolean) => {
    const endMs = performance.now() + 60_000;
    for (;;) {
      const answer = await readiness();
      if ((answer.warnings !== undefined) === isWarned && answer.status === 200) return answer;
      if (performance.now() > endMs) throw new TypeError(`not ${isWarned}: ${JSON.stringify(answer)}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  const url = "url" in database.target ? database.target.url : "";
  const doctor = async (): Promise<readonly object[]> => {
    const { out } = await runCli(["doctor", "--json"], {
      STEPGATE_DATABASE_URL: url,
      STEPGATE_LISTEN: "127.0.0.1:0",
      STEPGATE_VACUUM_HELD_WARN_MS: "1000",
    });
    return (JSON.parse(out) as { readonly name: string }[]).filter(({ name }) => name === "vacuum");
  };
  const heldSeconds = async (): Promise<number> =>
    Number(/^stepgate_vacuum_held_seconds (\S+)$/m.exec(await rooms.metrics.text())?.[1]);
  t.match(await until(false), { status: 200 }, "the control");
  t.match(await doctor(), [{ ok: true }]);

  // the driver's own connection, as somebody's forgotten terminal
  const pool = database.openPool({ limits: { idleInTransactionMs: 300_000 } });
  await pool.transaction(async (connection) => {
    const { rows } = await connection.query<{ pid: number }>(
      "select pg_backend_pid() as pid, txid_current() from stepgate.tenants limit 1",
    );
    t.match(await until(true), {
      status: 200,
      warnings: [{ name: "vacuum", about: /^an open transaction has held back vacuum for \d+ s$/, advice: /doctor/ }],
    });
    const pid = rows[0]?.pid ?? 0;
    t.ok((await heldSeconds()) >= 1, "measured");
    t.match(await doctor(), [
      {
        ok: false,
        about: new RegExp(`^session ${pid} of stepgate test`),
        advice: `select pg_terminate_backend(${pid})`,
      },
    ]);
    const told = lines.map((line) => JSON.parse(line)).filter(({ msg }) => /holds back vacuum/.test(msg));
    t.match(told, [{ level: "warn", kind: "session", holder: String(pid), application: "stepgate test" }], "told once");
    t.notMatch(JSON.stringify(await readiness()), String(pid), "readiness names nobody");
  });
  await until(false);
  t.ok(lines.some((line) => line.includes("no longer held back")));
});
