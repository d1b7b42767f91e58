/**
 * Executors of a worker process whose part the test plays (two-workers.ts): each call goes to the test over the process's
 * channel, and what the test answers is its result. What the pack decides on is told as well.
 */
import type { JsonObject } from "../../src/core/json.ts";
import type { ExecutionContext, ExecutorResult } from "../../src/executors/contract.ts";
import type { Decide, makeSink } from "./rig.ts";

/** What the test sees of a call. */
export type PlayedContext = Pick<
  ExecutionContext,
  "runUid" | "stepId" | "attempt" | "spec" | "budget" | "slo" | "checkpoint"
>;

export type FromWorker =
  | { readonly kind: "called"; readonly call: number; readonly context: PlayedContext }
  | { readonly kind: "aborted"; readonly call: number }
  | { readonly kind: "decided"; readonly input: JsonObject };

export interface ToWorker {
  readonly call: number;
  /** Undefined: the executor throws. */
  readonly result: ExecutorResult | undefined;
}

function tell(message: FromWorker): void {
  process.send?.(message);
}

/** @throws {TypeError} when the test answers that it throws. */
export function makePlayedExecutor() {
  const answered = new Map<number, (result: ExecutorResult | undefined) => void>();
  process.on("message", ({ call, result }: ToWorker) => {
    answered.get(call)?.(result);
    answered.delete(call);
  });
  return async (context: ExecutionContext, call: number, signal: AbortSignal): Promise<ExecutorResult> => {
    const { runUid, stepId, attempt, spec, budget, slo, checkpoint } = context;
    signal.addEventListener("abort", () => tell({ kind: "aborted", call }));
    const result = await new Promise<ExecutorResult | undefined>((resolve) => {
      answered.set(call, resolve);
      tell({ kind: "called", call, context: { runUid, stepId, attempt, spec, budget, slo, checkpoint } });
    });
    if (result === undefined) throw new TypeError("as the test has it");
    return result;
  };
}

/** Tells the test of each decision before it is made. */
export const tellingOf =
  (decide: Decide): Decide =>
  (input) => {
    tell({ kind: "decided", input });
    return decide(input);
  };

/** All that such a worker has beside the product's own; the gateway beside it knows them too. */
export function playedTypes(sink: ReturnType<typeof makeSink>) {
  const metered = (type: string) => ({
    ...sink.adapter,
    type,
    describe: () => ({ ...sink.adapter.describe(), type, meters: ["tokens", "usd_micros"] as const }),
  });
  return [sink.adapter, metered("metered"), metered("unhinted")];
}
