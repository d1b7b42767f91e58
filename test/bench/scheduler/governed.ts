/**
 * Governed steps per second of the product: everything on, as `stepgate serve` wires it; the executor does nothing.
 *
 * Runs of 100 steps with 1 KB inputs and a budget each are submitted first, then worker processes work them off.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { NODE_FLAGS } from "../../../src/cli/own-node.mjs";
import { loadConfig } from "../../../src/config/load-config.ts";
import type { TenantUid } from "../../../src/core/ids.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import { type Stepgate, startStepgate } from "../../../src/main.ts";
import { makeLog } from "../../../src/telemetry/logger.ts";
import { type Child, startChild } from "./child.ts";
import type { Progress } from "./progress.ts";
import { measureRate } from "./rate.ts";
import type { BenchDatabase, BenchServer, Counters } from "./server.ts";

export interface GovernedRun {
  readonly name: string;
  readonly steps: number;
  readonly stepsPerRun: number;
  readonly processes: number;
  readonly hasMemo: boolean;
  /** Also a profile by stage, which costs speed. */
  readonly isProfiled?: boolean;
  /** Also the time from ready to started at half of the rate that was measured. */
  readonly hasLatency?: boolean;
}

export interface GovernedFigure {
  readonly name: string;
  readonly stepsPerSecond: number;
  readonly perStep: {
    readonly nodeCpuUs: number;
    readonly serverCpuUs: number | undefined;
    readonly rowsInserted: number;
    readonly rowsUpdated: number;
    readonly rowsDeleted: number;
    readonly transactions: number;
    readonly walBytes: number;
  };
  readonly stagesUs?: Readonly<Record<string, number>>;
  /** At half of the rate above, while whoever submits shares the processors. */
  readonly queueToStart?: Latency;
  /** At half of what goes through while somebody submits as fast: half load of the machine as a whole. */
  readonly queueToStartAtHalfOfAll?: Latency;
}

export interface Latency {
  readonly stepsPerSecond: number;
  /** How many steps the percentiles are of. */
  readonly steps: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** What a bench submits through: the product's own use case. */
export interface Bed {
  readonly stepgate: Stepgate;
  readonly home: string;
  readonly database: BenchDatabase;
  readonly submit: (steps: number, tenantUid?: TenantUid) => Promise<void>;
  readonly stop: () => Promise<void>;
}

export async function openBed(server: BenchServer, folder: string, name: string): Promise<Bed> {
  const home = join(folder, `home-${randomBytes(4).toString("hex")}`);
  const database = await server.create(name);
  const loaded = loadConfig({
    STEPGATE_HOME: home,
    STEPGATE_ROLE: "gateway",
    STEPGATE_LISTEN: "127.0.0.1:0",
    STEPGATE_ADMIN_KEY: randomBytes(32).toString("hex"),
  });
  if (!loaded.ok) throw new TypeError(JSON.stringify(loaded.faults));
  const stepgate = await startStepgate({
    config: loaded.config,
    log: makeLog({ level: "error" }),
    onProgress: () => undefined,
    parts: { database: database.target },
  });
  const { rooms } = stepgate;
  const tenant = await rooms.tenants.find("default");
  const { rows } = await rooms.workerPool.query<{ key_id: string }>("select key_id from stepgate.api_keys limit 1");
  const caller = { keyId: rows[0]?.key_id ?? "", owner: "admin", roles: ["submitter"] };
  return {
    stepgate,
    home,
    database,
    submit: async (steps, tenantUid = tenant?.tenantUid as TenantUid) => {
      const submission = rooms.readRunSubmission(runOf(steps));
      await rooms.submitRun({ tenantUid, caller, submission, idempotencyKey: undefined, trace: undefined });
    },
    stop: async () => {
      await stepgate.stop();
      await database.drop();
    },
  };
}

/** Independent steps with 1 KB inputs each, under a budget that is tracked and never reached. */
function runOf(steps: number): JsonObject {
  return {
    op_id: "bench",
    kind: "dag",
    budget: { tokens: 1_000_000_000, usd_micros: 1_000_000_000 },
    run_config: { max_parallel: 10_000 },
    steps: Array.from({ length: steps }, (_, index) => ({
      id: `step-${index}`,
      type: "noop",
      inputs: { text: "Please look at the ticket and answer kindly. ".repeat(22).slice(0, 950), index },
      execution: { cost_hint: { tokens: 10, usd_micros: 100 } },
    })),
  };
}

export function startGovernedWorkers(
  { home, database }: Bed,
  {
    processes,
    hasMemo,
    connections,
    workersEach = 1,
  }: Pick<GovernedRun, "processes" | "hasMemo"> & {
    /** Of each process. */
    readonly connections?: number;
    readonly workersEach?: number;
  },
): Promise<readonly Child[]> {
  const env = {
    ...(hasMemo ? {} : { STEPGATE_SIGNATURE_MEMO: "0" }),
    ...(connections === undefined ? {} : { STEPGATE_DATABASE_CONNECTIONS: String(connections) }),
  };
  const argument = { home, target: database.target, env, workers: workersEach };
  return Promise.all(Array.from({ length: processes }, () => startChild("governed-worker.ts", argument, NODE_FLAGS)));
}

/** Attempts that have ended; one row a tenant and day. */
export async function attemptsEnded({ database }: Bed): Promise<number> {
  const { rows } = await database.pool.query<{ count: number }>(
    "select coalesce(sum(attempts), 0)::bigint as count from stepgate.billing_usage",
  );
  return rows[0]?.count ?? 0;
}

/** Processor time of the workers and the server so far, in µs; undefined where the server's cannot be read. */
export async function cpuOf({ database }: Bed, children: readonly Child[]): Promise<number | undefined> {
  const [reports, { cpuUs }] = await Promise.all([
    Promise.all(children.map((child) => child.ask("stats"))),
    database.counters(),
  ]);
  return cpuUs === undefined ? undefined : sum(reports) + cpuUs;
}

export async function measureGoverned(
  { server, folder, progress }: { readonly server: BenchServer; readonly folder: string; readonly progress: Progress },
  run: GovernedRun,
): Promise<GovernedFigure> {
  const bed = await openBed(server, folder, "bench_governed");
  let children: readonly Child[] = [];
  try {
    for (let done = 0; done < run.steps; done += run.stepsPerRun) {
      progress.show(`${run.name}: submitting runs`, done / run.steps);
      await bed.submit(run.stepsPerRun);
    }
    await bed.database.pool.query("vacuum analyze");
    children = await startGovernedWorkers(bed, run);
    const rate = await measureRate({
      name: run.name,
      total: run.steps,
      done: () => attemptsEnded(bed),
      snapshot: async () => ({
        reports: await Promise.all(children.map((child) => child.ask("stats"))),
        counters: await bed.database.counters(),
      }),
      progress,
    });
    const { first, last, count, perSecond } = rate;
    const nodeUs = sum(last.reports) - sum(first.reports);
    return {
      name: run.name,
      stepsPerSecond: Math.round(perSecond),
      perStep: {
        nodeCpuUs: Math.round(nodeUs / count),
        ...perStep(first.counters, last.counters, count),
      },
      ...(run.isProfiled === true ? { stagesUs: await profileStages(bed, children, run, progress) } : {}),
      ...(run.hasLatency === true ? await measureLatencies(bed, perSecond, progress) : {}),
    };
  } finally {
    await Promise.all(children.map((child) => child.stop()));
    await bed.stop();
  }
}

function perStep(first: Counters, last: Counters, count: number): Omit<GovernedFigure["perStep"], "nodeCpuUs"> {
  const each = (value: number): number => Math.round((value * 1000) / count) / 1000;
  const cpuUs = first.cpuUs === undefined || last.cpuUs === undefined ? undefined : last.cpuUs - first.cpuUs;
  return {
    serverCpuUs: cpuUs === undefined ? undefined : Math.round(cpuUs / count),
    rowsInserted: each(last.inserted - first.inserted),
    rowsUpdated: each(last.updated - first.updated),
    rowsDeleted: each(last.deleted - first.deleted),
    transactions: each(last.transactions - first.transactions),
    walBytes: Math.round((last.walBytes - first.walBytes) / count),
  };
}

/** µs of processor time by stage and step, of a further share of the load under a profiler. */
async function profileStages(
  bed: Bed,
  children: readonly Child[],
  { steps, stepsPerRun, name }: GovernedRun,
  progress: Progress,
): Promise<Readonly<Record<string, number>>> {
  const before = await attemptsEnded(bed);
  await Promise.all(children.map((child) => child.ask("profile")));
  for (let done = 0; done < steps / 4; done += stepsPerRun) await bed.submit(stepsPerRun);
  const wanted = before + steps / 4;
  for (;;) {
    const ended = await attemptsEnded(bed);
    progress.show(`${name}: profile`, (ended - before) / (steps / 4));
    if (ended >= wanted) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const reports = await Promise.all(children.map((child) => child.ask("stages")));
  const count = (await attemptsEnded(bed)) - before;
  const times: Record<string, number> = {};
  for (const { stages = {} } of reports) {
    for (const [stage, us] of Object.entries(stages)) times[stage] = (times[stage] ?? 0) + us / count;
  }
  return Object.fromEntries(Object.entries(times).map(([stage, us]) => [stage, Math.round(us * 10) / 10]));
}

async function measureLatencies(
  bed: Bed,
  perSecond: number,
  progress: Progress,
): Promise<Pick<GovernedFigure, "queueToStart" | "queueToStartAtHalfOfAll">> {
  const queueToStart = await measureLatency(bed, { stepsPerSecond: perSecond / 2, forMs: LATENCY_MS, progress });
  await untilDrained(bed);
  const { stepsPerSecond: sustained } = await measureLatency(bed, {
    stepsPerSecond: perSecond,
    forMs: LATENCY_MS,
    progress,
  });
  await untilDrained(bed);
  const half = { stepsPerSecond: sustained / 2, forMs: HALF_OF_ALL_MS, progress };
  return { queueToStart, queueToStartAtHalfOfAll: await measureLatency(bed, half) };
}

async function untilDrained({ database }: Bed): Promise<void> {
  for (;;) {
    const { rows } = await database.pool.query<{ count: number }>(
      "select count(*)::integer as count from stepgate.ready_steps",
    );
    if (rows[0]?.count === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const LATENCY_MS = 5000;
/** At about 200 steps a second a p99 is of some 30 steps: of several submissions, not of one. */
const HALF_OF_ALL_MS = 15_000;
const STEPS_AT_ONCE = 10;

/** From ready to started, by the database's own clock, while runs of ten steps arrive evenly. */
async function measureLatency(
  bed: Bed,
  {
    stepsPerSecond,
    forMs,
    progress,
  }: { readonly stepsPerSecond: number; readonly forMs: number; readonly progress: Progress },
): Promise<Latency> {
  const { rows: from } = await bed.database.pool.query<{ now: Date }>("select clock_timestamp() as now");
  const startMs = performance.now();
  const intervalMs = (STEPS_AT_ONCE * 1000) / stepsPerSecond;
  const pending: Promise<void>[] = [];
  for (let sent = 0; ; sent += 1) {
    const dueMs = sent * intervalMs;
    if (dueMs > forMs) break;
    progress.show("half load", dueMs / forMs);
    const waitMs = dueMs - (performance.now() - startMs);
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    pending.push(bed.submit(STEPS_AT_ONCE));
  }
  await Promise.all(pending);
  const endMs = performance.now();
  const { rows } = await bed.database.pool.query<{ p50: number; p99: number; steps: number }>(
    `select percentile_cont(0.5) within group (order by ms) as p50, percentile_cont(0.99) within group (order by ms) as p99,
            count(*)::integer as steps
       from (select extract(epoch from a.started_at - s.first_ready_at) * 1000 as ms from stepgate.steps s
               join stepgate.step_attempts a using (tenant_uid, run_uid, step_id)
              where s.first_ready_at >= $1) t`,
    [from[0]?.now ?? null],
  );
  const [row] = rows;
  const round = (ms: number | undefined): number => Math.round((ms ?? Number.NaN) * 10) / 10;
  return {
    stepsPerSecond: Math.round(((row?.steps ?? 0) * 1000) / (endMs - startMs)),
    steps: row?.steps ?? 0,
    p50Ms: round(row?.p50),
    p99Ms: round(row?.p99),
  };
}

function sum(reports: readonly { readonly cpuUs: number }[]): number {
  return reports.reduce((total, { cpuUs }) => total + cpuUs, 0);
}
