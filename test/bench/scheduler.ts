/**
 * How fast governed steps are beside plain jobs, in one run on one PostgreSQL: `npm run bench:scheduler [-- --quick]`.
 *
 * graphile-worker and pg-boss perform no-op jobs; the product performs no-op steps with everything on. Writes
 * results/scheduler-<date>.json, and for each scenario results/scheduler-<scenario>.json; the last line reads `governed/graphile-worker: <ratio>`. Not a test: run it on an idle
 * machine. STEPGATE_BENCH_DATABASE_URL names another server than the embedded one.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type GovernedFigure, type GovernedRun, measureGoverned } from "./scheduler/governed.ts";
import { GRAPHILE_OPEN, measurePeer, type PeerFigure, type PeerRun, PG_BOSS_OPEN } from "./scheduler/peers.ts";
import { makeProgress } from "./scheduler/progress.ts";
import { governedLines, peerLine } from "./scheduler/report.ts";
import { SCENARIOS } from "./scheduler/scenarios/index.ts";
import type { ScenarioFigure } from "./scheduler/scenarios/scenario.ts";
import { openServer } from "./scheduler/server.ts";

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string" },
  },
});
const { quick, only } = options;
const progress = makeProgress();
const say = (line: string): void => {
  progress.clear();
  console.log(line);
};

const graphile = { program: "graphile.mjs", openSql: GRAPHILE_OPEN } as const;
const allPeers: readonly PeerRun[] = [
  { ...graphile, name: "graphile-worker, 1 process", jobs: quick ? 5000 : 30_000, processes: 1, batched: false },
  { ...graphile, name: "graphile-worker, 2 processes", jobs: quick ? 5000 : 30_000, processes: 2, batched: false },
  { ...graphile, name: "graphile-worker, batched", jobs: quick ? 40_000 : 60_000, processes: 1, batched: true },
  {
    name: "pg-boss, batches of 100",
    program: "pg-boss.mjs",
    jobs: quick ? 8000 : 15_000,
    processes: 1,
    batched: true,
    openSql: PG_BOSS_OPEN,
  },
];
// the engine compiles for the first thousands of steps of a process: fewer measure that
const steps = quick ? 2500 : 24_000;
const allGoverned: readonly GovernedRun[] = [
  {
    name: "governed, 2 processes",
    steps,
    stepsPerRun: 100,
    processes: 2,
    hasMemo: true,
    isProfiled: true,
    hasLatency: true,
  },
  { name: "governed, 1 process", steps: steps / 2, stepsPerRun: 100, processes: 1, hasMemo: true },
  { name: "governed, 2 processes, no memo", steps, stepsPerRun: 100, processes: 2, hasMemo: false },
  { name: "governed, runs of one step, 2 processes", steps: steps / 6, stepsPerRun: 1, processes: 2, hasMemo: true },
];
const isWanted = ({ name }: { readonly name: string }): boolean => only === undefined || name.includes(only);
const peers = allPeers.filter(isWanted).filter(({ batched }) => !quick || only !== undefined || !batched);
const governed = allGoverned.filter(isWanted).slice(0, quick && only === undefined ? 1 : undefined);

// minutes each: only in full, or by name
const scenarios = SCENARIOS.filter(isWanted).filter(() => !quick || only !== undefined);

const folder = await mkdtemp(join(tmpdir(), "stepgate-bench-"));
const server = await openServer(folder);
// a run that is cut short leaves no server behind
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => void server.stop().finally(() => process.exit(1)));
}
const peerFigures: PeerFigure[] = [];
const governedFigures: GovernedFigure[] = [];
const scenarioFigures: ScenarioFigure[] = [];
try {
  say(`${cpus().length} × ${cpus()[0]?.model}, node ${process.version}, PostgreSQL ${server.version}`);
  for (const peer of peers) {
    const figure = await measurePeer(server, peer, progress);
    peerFigures.push(figure);
    say(peerLine(figure));
  }
  for (const run of governed) {
    const figure = await measureGoverned({ server, folder, progress }, run);
    governedFigures.push(figure);
    for (const line of governedLines(figure)) say(line);
  }
  for (const scenario of scenarios) {
    const figure = await scenario.run({ server, folder, progress });
    scenarioFigures.push(figure);
    const verdict = `${figure.holds ? "holds" : "MISSED"}${figure.isSure === false ? ", not surely" : ""}`;
    say(`${figure.name}: ${figure.found} (${verdict}: ${figure.aim})`);
  }
} finally {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}

const plain = peerFigures.filter(({ name }) => name.startsWith("graphile-worker") && !name.includes("batched"));
const best = (figures: readonly number[]): number => figures.reduce((most, figure) => Math.max(most, figure), 0);
const most = best(governedFigures.map(({ stepsPerSecond }) => stepsPerSecond));
const ratio = most / best(plain.map(({ jobsPerSecond }) => jobsPerSecond));
const results = fileURLToPath(new URL("results/", import.meta.url));
const file = join(results, quick ? "scheduler-quick.json" : `scheduler-${new Date().toISOString().slice(0, 10)}.json`);
await mkdir(results, { recursive: true });
const machine = { cpus: cpus().length, model: cpus()[0]?.model, memoryBytes: totalmem(), platform: process.platform };
for (const figure of scenarioFigures) {
  const own = join(results, `scheduler-${figure.name.replaceAll(" ", "-")}.json`);
  const at = new Date().toISOString();
  const about = { at, machine, node: process.version, postgresql: server.version, settings: server.settings };
  await writeFile(own, `${JSON.stringify({ ...about, ...figure }, null, 2)}\n`);
  say(`written to ${own}`);
}
if (only === undefined) {
  const versions = { node: process.version, postgresql: server.version, graphileWorker: "0.18.0", pgBoss: "12.38.0" };
  const command = `npm run bench:scheduler${quick ? " -- --quick" : ""}`;
  const report = {
    machine,
    versions,
    command,
    settings: server.settings,
    peers: peerFigures,
    governed: governedFigures,
  };
  await writeFile(file, `${JSON.stringify({ at: new Date().toISOString(), ...report, ratio }, null, 2)}\n`);
  say(`written to ${file}`);
}
for (const { name, batched, jobsPerSecond } of peerFigures.map((figure, index) => ({ ...figure, ...peers[index] })))
  if (batched === true) say(`governed/${name}: ${(most / jobsPerSecond).toFixed(3)}`);
say(`governed/graphile-worker: ${Number.isFinite(ratio) && ratio > 0 ? ratio.toFixed(2) : "not measured"}`);
