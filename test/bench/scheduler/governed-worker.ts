/**
 * One worker process of the product, as `stepgate serve` wires it, on the bench's database. Started by governed.ts.
 *
 * In: a JSON argument {home, target, env, workers}: so many workers, each with a lease, claims and batches of its own, share
 * the process's connections. Lines: `stats` answers with processor time; `profile` starts a profile and
 * `stages` ends it and answers with µs of processor time by stage.
 */
import { Session } from "node:inspector/promises";
import { createInterface } from "node:readline";
import { loadConfig } from "../../../src/config/load-config.ts";
import { startStepgate } from "../../../src/main.ts";
import { makeWorker } from "../../../src/main-worker.ts";
import type { DatabaseTarget } from "../../../src/storage/pool.ts";
import { makeLog } from "../../../src/telemetry/logger.ts";
import { stageTimes } from "./stages.ts";

interface Arguments {
  readonly home: string;
  readonly target: DatabaseTarget;
  readonly env: Readonly<Record<string, string>>;
  readonly workers: number;
}

// written by governed.ts in exactly this form
const { home, target, env, workers } = JSON.parse(process.argv[2] ?? "") as Arguments;
const loaded = loadConfig({ STEPGATE_HOME: home, STEPGATE_ROLE: "worker", STEPGATE_DRAIN_MS: "2000", ...env });
if (!loaded.ok) throw new TypeError(JSON.stringify(loaded.faults));
const stepgate = await startStepgate({
  config: loaded.config,
  log: makeLog({ level: "error" }),
  onProgress: () => undefined,
  parts: { database: target },
});
const stops: (() => Promise<unknown>)[] = [];
const others = Array.from({ length: workers - 1 }, () => makeWorker(stepgate.rooms, stops));
stops.unshift(...others.map((worker) => () => worker.stop()));
await Promise.all(others.map((worker) => worker.start()));

const cpuUs = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};
const inspector = new Session();
const answers: Readonly<Record<string, () => Promise<object>>> = {
  stats: async () => ({ cpuUs: cpuUs() }),
  profile: async () => {
    inspector.connect();
    await inspector.post("Profiler.enable");
    await inspector.post("Profiler.setSamplingInterval", { interval: 250 });
    await inspector.post("Profiler.start");
    return { cpuUs: cpuUs() };
  },
  stages: async () => {
    const { profile } = await inspector.post("Profiler.stop");
    inspector.disconnect();
    return { cpuUs: cpuUs(), stages: stageTimes(profile) };
  },
};
process.stdout.write("ready\n");
const input = createInterface({ input: process.stdin });
input.on("line", async (line) => process.stdout.write(`${JSON.stringify(await answers[line]?.())}\n`));
input.once("close", async () => {
  await Promise.all(stops.map((stop) => stop()));
  await stepgate.stop();
  process.exit(0);
});
