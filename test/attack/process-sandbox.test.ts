/**
 * The attack matrix of the sandbox: the full profile lets nothing through, the weaker level exactly what is documented, and
 * without walls the same attacks work, so that a blocked one was blocked by us.
 */
import { execFile, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import type { ExecutorAdapter } from "../../src/executors/contract.ts";
import { outputOf, PERL, provedAdapter, run } from "../executors/process/sandbox.ts";
import { ATTACKS, type Attack, arm } from "./sandbox-attacks.ts";

const isRoot = process.geteuid?.() === 0;
/** Attacks that must work without walls, or the matrix shows nothing; some need root, some a kernel that allows them. */
const LEAST_CONTROLS = isRoot ? 28 : 20;

const folder = mkdtempSync(join(tmpdir(), "stepgate-attack-"));
chmodSync(folder, 0o755);
writeFileSync(join(folder, "private"), "secret", { mode: 0o600 });
writeFileSync(join(folder, "public"), "canary", { mode: 0o644 });
mkdirSync(join(folder, "open"));
chmodSync(join(folder, "open"), 0o777);
const abstract = `stepgate-attack-${randomUUID()}`;
const servers = await Promise.all([
  listen({ path: join(folder, "socket") }),
  listen({ path: `\0${abstract}` }),
  listen({ host: "127.0.0.1", port: 0 }),
]);
chmodSync(join(folder, "socket"), 0o777);
const address = servers[2]?.address();
const victim = spawn("/usr/bin/sleep", ["600"], { stdio: "ignore" });
process.env["STEPGATE_CANARY"] = "in our environment";
t.teardown(() => {
  victim.kill("SIGKILL");
  for (const server of servers) server.close();
  rmSync(folder, { recursive: true, force: true });
});

const planted = {
  PRIVATE: join(folder, "private"),
  PUBLIC: join(folder, "public"),
  OPEN: join(folder, "open"),
  SOCKET: join(folder, "socket"),
  ABSTRACT: abstract,
  PORT: typeof address === "object" && address !== null ? address.port : 0,
  PID: victim.pid ?? 0,
  MARKER: `stepgate-attack-${randomUUID()}`,
};

async function listen(where: { path: string } | { host: string; port: number }): Promise<Server> {
  const server = createServer((connection) => connection.destroy()).listen(where);
  await once(server, "listening");
  return server;
}

async function throughAdapter(adapter: ExecutorAdapter, attack: Attack): Promise<boolean> {
  const result = await run(adapter, { command: ["perl", "-e", arm(attack, planted)] }, { settings: PERL });
  const { stdout = "" } = result.ok ? outputOf(result) : (result.details as { stdout?: string });
  return String(stdout).includes("THROUGH");
}

/** The same attack by the same user, with nothing around it. */
async function throughNothing(attack: Attack): Promise<boolean> {
  const { stdout } = await promisify(execFile)("/usr/bin/perl", ["-e", arm(attack, planted)]).catch(
    (caught: { stdout: string }) => caught,
  );
  return stdout.includes("THROUGH");
}

t.test("lets no attack through the strongest profile of this machine", async (t) => {
  const adapter = await provedAdapter();
  t.match(adapter.describe().isolation, /^namespaces/, "install bubblewrap, and allow user namespaces");
  for (const attack of ATTACKS) t.equal(await throughAdapter(adapter, attack), false, attack.name);
});

t.test(
  "lets through exactly what is documented where there are only rlimits and a uid",
  { skip: !isRoot && "needs root" },
  async (t) => {
    const adapter = await provedAdapter({ bubblewrap: undefined });
    t.equal(adapter.describe().isolation, "process");
    for (const attack of ATTACKS.filter(({ plain }) => plain !== "depends"))
      t.equal((await throughAdapter(adapter, attack)) ? "through" : "blocked", attack.plain, attack.name);
  },
);

t.test("shows that the attacks work where there are no walls", async (t) => {
  let controls = 0;
  for (const attack of ATTACKS) {
    if (await throughNothing(attack)) controls += 1;
    else t.comment(`no control on this machine: ${attack.name}`);
  }
  t.ok(controls >= LEAST_CONTROLS, `${controls} of ${ATTACKS.length} attacks work without walls`);
});
