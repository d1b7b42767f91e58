/**
 * The product as it is started by people, in a process of its own: how long until it is ready, what it takes.
 *
 * In: a home, the cores it may use. Out: its address, processor time and memory. Needs Linux for the last two.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { NODE_FLAGS } from "../../../src/cli/own-node.mjs";

/** `one` = the database shares the server's core; `free` = only the server is pinned. */
export type Placement = "one" | "free";

export interface Service {
  readonly url: string;
  readonly key: string;
  readonly readyMs: number;
  readonly cpuUs: () => number;
  readonly residentBytes: () => number;
  readonly stop: () => Promise<void>;
}

const PROGRAM = fileURLToPath(new URL("../../../src/cli/bin.mjs", import.meta.url));
const KEY = "bench-admin-key-0123456789-0123456789";
const START_LIMIT_MS = 60_000;
const TICK_US = 10_000;

export const hasTaskset = spawnSync("taskset", ["--version"]).status === 0;

export async function startService(home: string, placement: Placement): Promise<Service> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const command = [process.execPath, ...NODE_FLAGS, PROGRAM, "serve"];
  const [program = "", ...args] = placement === "one" && hasTaskset ? ["taskset", "-c", "0", ...command] : command;
  const startMs = performance.now();
  const child = spawn(program, args, {
    stdio: ["ignore", "ignore", "pipe"],
    env: {
      PATH: process.env["PATH"],
      STEPGATE_HOME: home,
      STEPGATE_LISTEN: `127.0.0.1:${port}`,
      STEPGATE_ADMIN_KEY: KEY,
    },
  });
  const ended = once(child, "exit");
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = `${said}${chunk}`.slice(-2000);
  });
  process.once("exit", () => child.kill("SIGKILL"));
  while (!(await isReady(url))) {
    if (child.exitCode !== null || performance.now() - startMs > START_LIMIT_MS)
      throw new TypeError(`it did not start: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const readyMs = Math.round(performance.now() - startMs);
  const pid = child.pid ?? 0;
  if (placement === "free" && hasTaskset) spawnSync("taskset", ["-a", "-p", "-c", "0", String(pid)]);
  return {
    url,
    key: KEY,
    readyMs,
    cpuUs: () => {
      const text = readFileSync(`/proc/${pid}/stat`, "utf8");
      const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
      return (Number(fields[11]) + Number(fields[12])) * TICK_US;
    },
    residentBytes: () => Number(/VmRSS:\s+([0-9]+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024,
    stop: async () => {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/readyz`)).status === 200;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}
