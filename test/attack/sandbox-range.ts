/**
 * What attacks on the sandbox reach for: files, sockets, a process and an environment of the host, and ways to reach for them
 * through an adapter and with nothing around. Not here: the attacks (sandbox-attacks.ts).
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
import type { Test } from "tap";
import type { ExecutorAdapter } from "../../src/executors/contract.ts";
import { outputOf, PERL, run } from "../executors/process/sandbox.ts";
import { type Attack, arm } from "./sandbox-attacks.ts";

/** Attacks that must work without walls, or the matrix shows nothing; some need root, some a kernel that allows them. */
export const LEAST_CONTROLS = process.geteuid?.() === 0 ? 34 : 24;

/** Plants everything; it is gone when the test ends. */
export async function openRange(t: Pick<Test, "teardown">) {
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
  return {
    folder,
    planted,
    throughAdapter: async (adapter: ExecutorAdapter, attack: Attack): Promise<boolean> => {
      const result = await run(adapter, { command: ["perl", "-e", arm(attack, planted)] }, { settings: PERL });
      const { stdout = "" } = result.ok ? outputOf(result) : (result.details as { stdout?: string });
      return String(stdout).includes("THROUGH");
    },
    /** The same attack by the same user, with nothing around it. */
    throughNothing: async (attack: Attack): Promise<boolean> => {
      const { stdout } = await promisify(execFile)("/usr/bin/perl", ["-e", arm(attack, planted)]).catch(
        (caught: { stdout: string }) => caught,
      );
      return stdout.includes("THROUGH");
    },
  };
}

async function listen(where: { path: string } | { host: string; port: number }): Promise<Server> {
  const server = createServer((connection) => connection.destroy()).listen(where);
  await once(server, "listening");
  return server;
}
