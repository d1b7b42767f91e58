/**
 * Runs that are submitted together as the columns of `submit_runs` (functions/submit.sql), in its order.
 *
 * In: runs of one tenant. Out: a column a parameter; steps, edges and blobs have the place of their run, counted from 1. Not here:
 * what the values mean (runs/prepare-submission.ts).
 */
import type { NewRun } from "../runs/ports.ts";
import type { PreparedStep } from "../runs/prepare-submission.ts";
import { boolArray, int4Array, int8Array, jsonArray, jsonbArray, textArray, uuidArray } from "./binary-array.ts";
import { blobColumns } from "./blob-columns.ts";
import { jsonText } from "./json-rows.ts";
import type { SqlValue } from "./prepare.ts";

export function submissionColumns(runs: readonly NewRun[]): readonly SqlValue[] {
  return [...runColumns(runs), ...stepColumns(runs), ...edgeColumns(runs), ...blobsOf(runs)];
}

function runColumns(runs: readonly NewRun[]): readonly SqlValue[] {
  const all = <T>(of: (run: NewRun) => T): readonly T[] => runs.map(of);
  return [
    uuidArray(all(({ prepared }) => prepared.runUid)),
    textArray(all(({ prepared }) => prepared.start.runId)),
    textArray(all(({ idempotencyKey }) => idempotencyKey)),
    textArray(all(({ submissionDigest }) => submissionDigest)),
    textArray(all(({ prepared }) => prepared.kind)),
    textArray(all(({ prepared }) => prepared.manifest.manifest.op_id)),
    textArray(all(({ prepared }) => prepared.manifest.id)),
    textArray(all(({ prepared }) => prepared.manifest.text)),
    int4Array(all(({ prepared }) => prepared.start.priority)),
    int8Array(all(({ prepared }) => prepared.start.seed)),
    textArray(all(({ prepared }) => prepared.start.subject)),
    uuidArray(all(({ prepared }) => prepared.labelsBlob)),
    textArray(all(({ caller }) => caller.keyId)),
    textArray(all(({ caller }) => caller.owner)),
    jsonbArray(all(({ caller }) => jsonText(caller.roles))),
    textArray(all(({ prepared }) => prepared.trace.traceparent)),
    textArray(all(({ prepared }) => prepared.trace.tracestate)),
    int8Array(all(({ prepared }) => prepared.start.timeLimitMs)),
    int4Array(all(maxParallel)),
    boolArray(all(({ prepared }) => prepared.manifest.manifest.run_config.fail_fast)),
    boolArray(all(({ prepared }) => prepared.start.budget !== undefined)),
    int8Array(all(({ prepared }) => prepared.start.budget?.tokens)),
    int8Array(all(({ prepared }) => prepared.start.budget?.usd_micros)),
    jsonbArray(all(({ prepared }) => listText(prepared.start.breakpoints))),
    jsonArray(all(({ prepared }) => jsonText(prepared.submitted))),
    jsonbArray(all(forkText)),
  ];
}

function stepColumns(runs: readonly NewRun[]): readonly SqlValue[] {
  const steps = runs.flatMap(({ prepared }) => prepared.steps);
  const all = <T>(of: (step: PreparedStep) => T): readonly T[] => steps.map(of);
  return [
    int4Array(placesOf(runs, ({ prepared }) => prepared.steps)),
    textArray(all(({ stepId }) => stepId)),
    int4Array(all(({ idx }) => idx)),
    textArray(all(({ spec }) => spec.type)),
    textArray(all(({ spec }) => spec.slug)),
    jsonbArray(all(({ spec }) => jsonText(spec))),
    uuidArray(all(({ inputBlob }) => inputBlob)),
    jsonbArray(all(({ refs }) => listText(refs))),
    boolArray(all(({ origin }) => origin !== undefined)),
    textArray(all(({ origin }) => origin)),
    textArray(all(({ spec }) => spec.execution.compensation?.step)),
    textArray(all(({ spec }) => spec.execution.compensation?.on)),
    int4Array(all(({ pendingDependencies }) => pendingDependencies)),
    int4Array(all(({ order }) => order.priority)),
    int4Array(all(({ order }) => order.queueTargetMs)),
    int8Array(all(({ spec }) => spec.execution.deadline_ms)),
  ];
}

function edgeColumns(runs: readonly NewRun[]): readonly SqlValue[] {
  const edges = runs.flatMap(({ prepared }) => prepared.edges);
  return [
    int4Array(placesOf(runs, ({ prepared }) => prepared.edges)),
    textArray(edges.map(([from]) => from)),
    textArray(edges.map(([, to]) => to)),
  ];
}

/** With the step of each, which `blobColumns` leaves to its item. */
function blobsOf(runs: readonly NewRun[]): readonly SqlValue[] {
  return [...blobColumns(runs), textArray(runs.flatMap(({ blobs }) => blobs.map(({ place }) => place.stepId)))];
}

function placesOf(runs: readonly NewRun[], rowsOf: (run: NewRun) => readonly unknown[]): readonly number[] {
  return runs.flatMap((run, index) => rowsOf(run).map(() => index + 1));
}

function maxParallel({ prepared }: NewRun): number {
  const { execution_mode: mode, max_parallel: most } = prepared.manifest.manifest.run_config;
  return mode === "sequential" ? 1 : most;
}

function listText(list: readonly unknown[]): string | undefined {
  return list.length === 0 ? undefined : jsonText(list);
}

function forkText({ prepared: { fork } }: NewRun): string | undefined {
  return fork && jsonText({ origin_run: fork.runUid, origin_step: fork.stepId, root_run: fork.rootRunUid });
}
