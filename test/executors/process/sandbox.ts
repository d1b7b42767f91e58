/** Process adapters for tests: on this machine as it is, and on one with less. */
import { tmpdir } from "node:os";
import type { JsonObject } from "../../../src/core/json.ts";
import type { ExecutorAdapter, ExecutorResult } from "../../../src/executors/contract.ts";
import { type Machine, surveyMachine } from "../../../src/executors/process/machine.ts";
import { makeProcessAdapter } from "../../../src/executors/process/process-adapter.ts";
import { adapterDeps, type CallOptions, callOf, never } from "../call.ts";

/** An adapter whose self-test ran; `change` takes something away from the machine. */
export async function provedAdapter(change: Partial<Machine> = {}, slotCount = 8): Promise<ExecutorAdapter> {
  const adapter = makeProcessAdapter({
    ...adapterDeps(),
    survey: () => ({ ...surveyMachine(), ...change }),
    slots: { firstUid: 61_500, count: slotCount },
    graceMs: 300,
    scratchFolder: tmpdir(),
  });
  await adapter.selfTest();
  return adapter;
}

/** Settings with these programs, at whatever level the machine gives. */
export function settingsWith(programs: JsonObject, limits: JsonObject = {}): JsonObject {
  return { programs, min_isolation: "process", limits };
}

export const PERL = settingsWith({ perl: { path: "/usr/bin/perl", max_args: 100 } });

/** Runs one command with a fresh token. */
export function run(
  adapter: ExecutorAdapter,
  inputs: JsonObject,
  options: Partial<CallOptions> & { readonly signal?: AbortSignal } = {},
): Promise<ExecutorResult> {
  return adapter.execute(callOf(adapter, { inputs, ...options }), options.signal ?? never);
}

/** The output of a success, else an empty object. */
export function outputOf(result: ExecutorResult): JsonObject {
  return result.ok ? (result.output as JsonObject) : {};
}
