/**
 * The attack matrix of the sandbox: the full profile lets nothing through, the weaker level exactly what is documented, and
 * without walls the same attacks work, so that a blocked one was blocked by us.
 */
import { execFile, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import type { ExecutorAdapter } from "../../src/executors/contract.ts";
import { confine } from "../../src/executors/process/confine.ts";
import { launch } from "../../src/executors/process/launch.ts";
import { surveyMachine } from "../../src/executors/process/machine.ts";
import { never } from "../executors/call.ts";
import { outputOf, PERL, provedAdapter, run } from "../executors/process/sandbox.ts";
import { ALL_FENCES, type Fence, without } from "./fences.ts";
import { ATTACKS, type Attack, arm } from "./sandbox-attacks.ts";

const isRoot = process.geteuid?.() === 0;
/** Attacks that must work without walls, or the matrix shows nothing; some need root, some a kernel that allows them. */
const LEAST_CONTROLS = isRoot ? 34 : 24;

const FENCE_UID = 61_590;
const LIMITS = {
  wall_ms: 10_000,
  cpu_s: 10,
  memory_bytes: 2 ** 28,
  processes: 32,
  output_bytes: 65_536,
  file_bytes: 2 ** 24,
};

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
const datagrams = createSocket("udp4").bind(0, "127.0.0.1");
await once(datagrams, "listening");
const victim = spawn("/usr/bin/sleep", ["600"], { stdio: "ignore" });
process.env["STEPGATE_CANARY"] = "in our environment";
t.teardown(() => {
  victim.kill("SIGKILL");
  for (const server of servers) server.close();
  datagrams.close();
  rmSync(folder, { recursive: true, force: true });
});

const planted = {
  PRIVATE: join(folder, "private"),
  PUBLIC: join(folder, "public"),
  OPEN: join(folder, "open"),
  SOCKET: join(folder, "socket"),
  ABSTRACT: abstract,
  PORT: typeof address === "object" && address !== null ? address.port : 0,
  UDP_PORT: datagrams.address().port,
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

/** The same attack in the strongest profile of this machine, but for these fences. */
async function throughAllBut(fences: readonly Fence[], attack: Attack): Promise<boolean> {
  const machine = surveyMachine();
  const program = { path: "/usr/bin/perl", args: ["-e", arm(attack, planted)], env: {}, limits: LIMITS };
  const strongest = { walls: "bubblewrap", hasFilter: true, hasProc: true } as const;
  const start = confine(machine, strongest, program, FENCE_UID);
  const result = await launch(without(fences, start, { folder }), {
    stdin: "",
    wallMs: 10_000,
    maxOutputBytes: 65_536,
    graceMs: 0,
    signal: never,
  });
  if (result.kind === "not_started") throw new TypeError(`${attack.name}: ${result.message}`);
  return result.stdout.includes("THROUGH");
}

const controls = new Map<string, boolean>();

t.test("shows that the attacks work where there are no walls", async (t) => {
  for (const attack of ATTACKS) {
    controls.set(attack.name, await throughNothing(attack));
    if (controls.get(attack.name) === false) t.comment(`no control on this machine: ${attack.name}`);
  }
  const works = [...controls.values()].filter(Boolean).length;
  t.ok(works >= LEAST_CONTROLS, `${works} of ${ATTACKS.length} attacks work without walls`);
});

t.test(
  "holds each attack by the fences it is said to: without just these it gets through",
  { skip: !isRoot && "needs root" },
  async (t) => {
    for (const attack of ATTACKS.filter(({ name }) => controls.get(name)))
      t.equal(await throughAllBut(attack.fences, attack), true, `${attack.name}, without ${attack.fences.join("+")}`);
    const named = new Set(ATTACKS.flatMap(({ fences }) => fences));
    t.same(
      ALL_FENCES.filter((fence) => !named.has(fence)),
      [],
      "and every fence holds something",
    );
  },
);
