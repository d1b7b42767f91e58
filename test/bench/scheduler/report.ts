/**
 * Figures as lines for people.
 */
import type { GovernedFigure } from "./governed.ts";
import type { PeerFigure } from "./peers.ts";

export function peerLine({ name, jobsPerSecond, nodeCpuUsPerJob, serverCpuUsPerJob }: PeerFigure): string {
  return `${name}: ${jobsPerSecond} jobs/s, µs a job: node ${nodeCpuUsPerJob}, PostgreSQL ${serverCpuUsPerJob ?? "?"}`;
}

export function governedLines({
  name,
  stepsPerSecond,
  perStep,
  stagesUs,
  queueToStart,
}: GovernedFigure): readonly string[] {
  const { nodeCpuUs, serverCpuUs, rowsInserted, rowsUpdated, rowsDeleted, transactions, walBytes } = perStep;
  const lines = [
    `${name}: ${stepsPerSecond} steps/s, µs a step: node ${nodeCpuUs}, PostgreSQL ${serverCpuUs ?? "?"}`,
    `  a step: rows +${rowsInserted} ~${rowsUpdated} -${rowsDeleted}, statements ${transactions}, WAL ${walBytes} bytes`,
  ];
  if (stagesUs !== undefined) {
    lines.push("  µs of node a step, by stage (profiled):");
    for (const [stage, us] of Object.entries(stagesUs)) lines.push(`    ${us.toFixed(1).padStart(7)}  ${stage}`);
  }
  if (queueToStart !== undefined) {
    const { p50Ms, p99Ms, stepsPerSecond: load } = queueToStart;
    lines.push(`  from ready to started at ${load} steps/s: p50 ${p50Ms} ms, p99 ${p99Ms} ms`);
  }
  return lines;
}
