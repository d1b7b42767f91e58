/**
 * How fast decisions are, in process and over HTTP, how soon it is ready and what it takes: `npm run bench [-- --quick]`.
 *
 * Client and server are processes of their own, each on one core where `taskset` is there; the database shares the
 * server's core, or not. Writes results/gateway-<date>.json. Not a test: run it on an idle machine.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { measureDecisions } from "./gateway/decide.ts";
import type { LoadInput } from "./gateway/load.ts";
import { performSteps } from "./gateway/perform-steps.ts";
import type { Quantiles } from "./gateway/quantiles.ts";
import { hasTaskset, type Placement, type Service, startService } from "./gateway/service.ts";
import { makeProgress } from "./scheduler/progress.ts";

const { values: options } = parseArgs({
  options: { quick: { type: "boolean", default: false }, only: { type: "string" } },
});
const { quick, only } = options;
const durationMs = quick ? 2000 : 8000;
const progress = makeProgress();
const say = (line: string): void => {
  progress.clear();
  console.log(line);
};
const STEPS = quick ? 1000 : 10_000;
const LOAD = fileURLToPath(new URL("gateway/load.ts", import.meta.url));
const TEXT = "please look at the ticket and answer kindly. ".repeat(12);
const ROUTES = [
  { path: "/v1/decisions", body: { boundary: "ingress_tool", step: { type: "noop", inputs: { text: TEXT } } } },
  { path: "/v1/steps", body: { step: { type: "noop", inputs: { text: TEXT, result: 1 } } } },
] as const;

interface HttpFigure {
  readonly path: string;
  readonly placement: Placement;
  readonly connections: number;
  readonly perSecond: number;
  readonly ms: Quantiles;
  readonly unwanted: number;
  readonly serverCpuUs: number;
}

const work = [1, 16, 64].length * ROUTES.length * 2;
let done = 0;
const isWanted = (name: string): boolean => only === undefined || name.includes(only);

async function load(service: Service, placement: Placement, route: (typeof ROUTES)[number], connections: number) {
  done += 1;
  progress.show("load", done / work);
  const argument: LoadInput = { url: service.url, key: service.key, ...route, connections, durationMs };
  const command = [process.execPath, LOAD, JSON.stringify(argument)];
  const [program = "", ...args] = hasTaskset ? ["taskset", "-c", String(cpus().length - 1), ...command] : command;
  const cpuUs = service.cpuUs();
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => {
    text += String(chunk);
  });
  await once(child, "close");
  const answer = JSON.parse(text) as Pick<HttpFigure, "perSecond" | "ms" | "unwanted">;
  // the load's warm-up is a quarter of it
  const requests = answer.perSecond * (durationMs / 1000) * 1.25;
  const figure: HttpFigure = {
    path: route.path,
    placement,
    connections,
    ...answer,
    serverCpuUs: Math.round((service.cpuUs() - cpuUs) / Math.max(1, requests)),
  };
  say(
    `POST ${figure.path}  database ${placement === "one" ? "on the server's core" : "free"}  ${String(connections).padStart(2)} connections  ` +
      `${String(figure.perSecond).padStart(5)}/s  p50 ${figure.ms.p50} ms  p99 ${figure.ms.p99} ms  node ${figure.serverCpuUs} µs` +
      (figure.unwanted === 0 ? "" : `  NOT 200: ${figure.unwanted}`),
  );
  return figure;
}

const machine = { cpus: cpus().length, model: cpus()[0]?.model, memoryBytes: totalmem(), platform: process.platform };
say(`${machine.cpus} × ${machine.model}, node ${process.version}${hasTaskset ? "" : ", no taskset: cores are shared"}`);
const decisions = isWanted("decide") ? await measureDecisions(["allow_all", "baseline"], durationMs / 2) : [];
for (const { pack, text, inputBytes, effect, us } of decisions) {
  say(
    `decide in process  ${pack.padEnd(9)} ${text.padEnd(5)} ${inputBytes} bytes  ${effect.padEnd(6)} p50 ${us.p50} µs  p99 ${us.p99} µs`,
  );
}
const http: HttpFigure[] = [];
const starts: Record<string, number> = {};
const memory: Record<string, number> = {};
if (isWanted("http")) {
  const home = await mkdtemp(join(tmpdir(), "stepgate-bench-"));
  try {
    for (const placement of ["one", "free"] as const) {
      const isFirst = placement === "one";
      const service = await startService(home, placement);
      starts[isFirst ? "firstReadyMs" : "laterReadyMs"] = service.readyMs;
      if (isFirst) memory["idleBytes"] = service.residentBytes();
      for (const route of ROUTES) {
        for (const connections of [1, 16, 64]) http.push(await load(service, placement, route, connections));
      }
      memory[isFirst ? "afterLoadBytes" : "afterLaterLoadBytes"] = service.residentBytes();
      if (!isFirst) {
        await performSteps(service, STEPS, (share) => progress.show("steps of runs", share));
        memory["afterStepsBytes"] = service.residentBytes();
      }
      await service.stop();
    }
  } finally {
    await rm(home, { recursive: true, force: true });
  }
  say(`ready after ${starts["firstReadyMs"]} ms in an empty home, ${starts["laterReadyMs"]} ms later`);
  const mib = (name: string) => `${Math.round((memory[name] ?? 0) / 1_048_576)} MiB`;
  say(
    `resident without the database: idle ${mib("idleBytes")}, after the load ${mib("afterLoadBytes")}, after ${STEPS} steps of runs ${mib("afterStepsBytes")}`,
  );
}
if (only === undefined) {
  const results = fileURLToPath(new URL("results/", import.meta.url));
  const file = join(results, quick ? "gateway-quick.json" : `gateway-${new Date().toISOString().slice(0, 10)}.json`);
  await mkdir(results, { recursive: true });
  const command = `npm run bench${quick ? " -- --quick" : ""}`;
  const report = { at: new Date().toISOString(), machine, versions: { node: process.version }, command, durationMs };
  await writeFile(file, `${JSON.stringify({ ...report, decisions, http, starts, memory }, undefined, 2)}\n`);
  say(`written to ${file}`);
}
