/**
 * No-op jobs per second of the peers, on the same server: graphile-worker in its two modes, pg-boss.
 */
import { type Child, startChild } from "./child.ts";
import type { Progress } from "./progress.ts";
import { measureRate } from "./rate.ts";
import type { BenchServer } from "./server.ts";

export interface PeerRun {
  readonly name: string;
  readonly program: "graphile.mjs" | "pg-boss.mjs";
  readonly jobs: number;
  readonly processes: number;
  readonly batched: boolean;
  /** How many are left to do: one row, one column `open`. */
  readonly openSql: string;
}

export interface PeerFigure {
  readonly name: string;
  readonly jobsPerSecond: number;
  readonly nodeCpuUsPerJob: number;
  readonly serverCpuUsPerJob: number | undefined;
}

export const GRAPHILE_OPEN = "select count(*)::integer as open from graphile_worker._private_jobs";
export const PG_BOSS_OPEN =
  "select count(*)::integer as open from pgboss.job where name = 'noop' and state < 'completed'";

export async function measurePeer(server: BenchServer, peer: PeerRun, progress: Progress): Promise<PeerFigure> {
  const { name, program, jobs, batched } = peer;
  progress.show(`${name}: filling its queue`, 0);
  const database = await server.create("bench_peer");
  const children: Child[] = [];
  try {
    for (let index = 0; index < peer.processes; index += 1) {
      children.push(await startChild(program, { target: database.target, jobs, batched, preload: index === 0 }));
    }
    await Promise.all(children.map((child) => child.ask("start")));
    const { perSecond, count, first, last } = await measureRate({
      name,
      total: jobs,
      done: async () => jobs - ((await database.pool.query<{ open: number }>(peer.openSql)).rows[0]?.open ?? jobs),
      snapshot: async () => ({
        node: sum(await Promise.all(children.map((child) => child.ask("stats")))),
        server: (await database.counters()).cpuUs,
      }),
      progress,
    });
    const serverUs = first.server === undefined || last.server === undefined ? undefined : last.server - first.server;
    return {
      name,
      jobsPerSecond: Math.round(perSecond),
      nodeCpuUsPerJob: Math.round((last.node - first.node) / count),
      serverCpuUsPerJob: serverUs === undefined ? undefined : Math.round(serverUs / count),
    };
  } finally {
    await Promise.all(children.map((child) => child.stop()));
    await database.drop();
  }
}

function sum(reports: readonly { readonly cpuUs: number }[]): number {
  return reports.reduce((total, { cpuUs }) => total + cpuUs, 0);
}
