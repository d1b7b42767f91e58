/**
 * Figures as lines for people.
 */
import type { GovernedFigure } from "./governed.ts";
import type { PeerFigure } from "./peers.ts";
import type { Stage } from "./stages.ts";

/** What a prototype showed to be possible, for one plain job's time a step: 460 µs of node in all. */
const BUDGET: Readonly<Record<string, { readonly budgetUs: number; readonly stages: readonly Stage[] }>> = {
  "claim, protocol, garbage": { budgetUs: 70, stages: ["claim", "database protocol", "garbage collector"] },
  open: { budgetUs: 20, stages: ["open"] },
  evaluations: { budgetUs: 90, stages: ["guardrails", "decide", "inspect"] },
  records: { budgetUs: 45, stages: ["admission record", "outcome record"] },
  mint: { budgetUs: 40, stages: ["mint"] },
  "guard and the executor's check": { budgetUs: 95, stages: ["guard", "execute"] },
  "signatures, seal, rows": { budgetUs: 40, stages: ["sign batches", "seal", "encode rows"] },
  "everything else": { budgetUs: 60, stages: ["observe, deadline, pressure", "metrics, log", "everything else"] },
};

export function peerLine({ name, jobsPerSecond, nodeCpuUsPerJob, serverCpuUsPerJob }: PeerFigure): string {
  return `${name}: ${jobsPerSecond} jobs/s, µs a job: node ${nodeCpuUsPerJob}, PostgreSQL ${serverCpuUsPerJob ?? "?"}`;
}

export function governedLines({
  name,
  stepsPerSecond,
  perStep,
  stagesUs,
  queueToStart,
  queueToStartAtHalfOfAll,
}: GovernedFigure): readonly string[] {
  const { nodeCpuUs, serverCpuUs, rowsInserted, rowsUpdated, rowsDeleted, transactions, walBytes } = perStep;
  const lines = [
    `${name}: ${stepsPerSecond} steps/s, µs a step: node ${nodeCpuUs}, PostgreSQL ${serverCpuUs ?? "?"}`,
    `  a step: rows +${rowsInserted} ~${rowsUpdated} -${rowsDeleted}, transactions ${transactions}, WAL ${walBytes} bytes`,
  ];
  if (stagesUs !== undefined) {
    lines.push("  µs of node a step, by stage (profiled):");
    for (const [stage, us] of Object.entries(stagesUs)) lines.push(`    ${us.toFixed(1).padStart(7)}  ${stage}`);
    lines.push("  against the budget of a step as fast as a plain job, µs:");
    for (const [part, { budgetUs, stages }] of Object.entries(BUDGET)) {
      const us = stages.reduce((sum, stage) => sum + (stagesUs[stage] ?? 0), 0);
      lines.push(`    ${us.toFixed(0).padStart(7)} of ${String(budgetUs).padStart(3)}  ${part}`);
    }
  }
  for (const [load, latency] of [
    ["half of that rate", queueToStart],
    ["half of what goes through beside the submitter", queueToStartAtHalfOfAll],
  ] as const) {
    if (latency === undefined) continue;
    const { p50Ms, p99Ms, steps, stepsPerSecond: reached } = latency;
    lines.push(
      `  from ready to started at ${load}, ${reached} steps/s: p50 ${p50Ms} ms, p99 ${p99Ms} ms, of ${steps} steps`,
    );
  }
  return lines;
}
