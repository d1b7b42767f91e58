/**
 * K7 while a process runs: somebody changes the server or a role, and readiness says so with a code and what to do.
 */
import t from "tap";
import { startStepgate } from "../../src/main.ts";
import { runCli } from "../cli/run-cli.ts";
import { startPrivateServer } from "../storage/private-server.ts";
import { startRig } from "./rig.ts";

interface Ready {
  readonly ready: boolean;
  readonly checks: readonly {
    readonly name: string;
    readonly ok: boolean;
    readonly code?: string;
    readonly advice?: string;
  }[];
}

t.test("K7 a server or a role that no longer keeps the promises is not ready, and no start begins on it", async (t) => {
  const database = await startPrivateServer(t);
  const rig = await startRig(t, { database, onLogLine: () => undefined });
  const { rooms, gateway } = rig.stepgate;
  const [found] = await rig.rows("select name from stepgate.database_roles where kind = 'gateway'");
  const role = String(found?.["name"]);
  const readiness = async (): Promise<Ready & { readonly status: number }> => {
    const answer = await fetch(`${gateway?.url}/readyz`);
    return { status: answer.status, ...((await answer.json()) as Ready) };
  };
  const until = async (status: number): Promise<Ready["checks"][number] | undefined> => {
    const endMs = performance.now() + 60_000;
    for (;;) {
      const answer = await readiness();
      if (answer.status === status) return answer.checks.find(({ name }) => name === "fences");
      if (performance.now() > endMs) throw new TypeError(`not ${status}: ${JSON.stringify(answer)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const start = () =>
    startStepgate({
      config: rooms.config,
      log: rooms.log,
      onProgress: () => undefined,
      parts: { database: database.target },
    });
  const doctor = async (): Promise<readonly object[]> => {
    const url = "url" in database.target ? database.target.url : "";
    const { out } = await runCli(["doctor", "--json"], { STEPGATE_DATABASE_URL: url, STEPGATE_LISTEN: "127.0.0.1:0" });
    return (JSON.parse(out) as { readonly name: string }[]).filter(({ name }) => name === "fences");
  };
  t.match(await until(200), { ok: true }, "the control");
  t.match(await doctor(), [{ name: "fences", ok: true }], "and doctor says the same");
  const cases = [
    {
      why: "fsync is off",
      open: ["alter system set fsync = off", "select pg_reload_conf()"],
      shut: ["alter system reset fsync", "select pg_reload_conf()"],
      found: { ok: false, code: "STORE_UNSAFE", advice: /fsync/ },
    },
    {
      why: "the role may pass row security",
      open: [`alter role ${role} bypassrls`],
      shut: [`alter role ${role} nobypassrls`],
      found: { ok: false, code: "STORE_FENCE_OPEN", advice: /bypassrls/ },
    },
  ];
  for (const { why, open, shut, found } of cases) {
    for (const sql of open) await database.pool.query(sql);
    t.match(await until(503), found, why);
    await t.rejects(start(), { code: found.code }, `${why}: no start`);
    if (found.code === "STORE_FENCE_OPEN") t.match(await doctor(), [{ name: "fences", ...found, code: undefined }]);
    for (const sql of shut) await database.pool.query(sql);
    t.match(await until(200), { ok: true }, `${why}: set right`);
  }
  const offs = ["alter system set full_page_writes = off", "alter system set synchronous_commit = off"];
  for (const sql of offs) {
    for (const each of [sql, "select pg_reload_conf()"]) await database.pool.query(each);
    await t.rejects(start(), { code: "STORE_UNSAFE" }, sql);
    for (const each of ["alter system reset all", "select pg_reload_conf()"]) await database.pool.query(each);
  }
});
