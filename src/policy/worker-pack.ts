/**
 * A pack in a thread of its own, with a watchdog: the caller waits, and at the deadline the thread is ended.
 *
 * In: what load-pack.ts read and checked. Out: `evaluate` and `close` of a LoadedPack; still synchronous, since the
 * caller sleeps on shared memory until the answer is there. Not here: the evaluation itself (tenant-instances.ts).
 */
import { extname } from "node:path";
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import type { Clock } from "../core/clock.ts";
import { type ErrorCode, type ErrorDetail, StepgateError } from "../core/errors.ts";
import type { TenantUid } from "../core/ids.ts";
import type { DeclaredMemory } from "./inspect-module.ts";
import type { PackManifest } from "./manifest.ts";
import type { LoadedPack, PackFault, PackLimits, PackResult } from "./pack.ts";
import type { ToolchainPlace } from "./toolchain-module.ts";

/** What the thread works with; all of it can be cloned. */
export interface ThreadWork {
  readonly wasm: Uint8Array;
  readonly memory: DeclaredMemory;
  readonly manifest: PackManifest;
  readonly limits: PackLimits;
  readonly toolchain: ToolchainPlace;
}

export interface ThreadStart {
  readonly port: MessagePort;
  /** Counts answers; the caller waits for it to change. */
  readonly signal: Int32Array<SharedArrayBuffer>;
  readonly work: ThreadWork;
}

export interface ThreadQuestion {
  readonly input: Uint8Array;
  readonly tenantUid: TenantUid;
}

export type ThreadAnswer =
  | { readonly kind: "ready" }
  | { readonly kind: "refused"; readonly code: ErrorCode; readonly detail: ErrorDetail }
  | { readonly kind: "result"; readonly result: PackResult };

interface Thread {
  readonly worker: Worker;
  readonly port: MessagePort;
  readonly signal: Int32Array<SharedArrayBuffer>;
  isReady: boolean;
}

/** A thread starts in 60 ms, 0.3 s with the toolchain; a module that takes longer to start will not. */
const START_TIMEOUT_MS = 10_000;
/** The engine's own heap of the thread, beside the module's memory: decisions are small. */
const MAX_THREAD_HEAP_MB = 64;

/**
 * Starts the thread and waits until the module in it was accepted.
 *
 * @throws {StepgateError} PACK_IMPORT_REFUSED, PACK_MANIFEST_INVALID, TOOLCHAIN_UNAVAILABLE as the thread found.
 */
export async function startWorkerPack(
  work: ThreadWork,
  deps: { readonly clock: Pick<Clock, "monotonicMs"> },
): Promise<Pick<LoadedPack, "evaluate" | "close">> {
  const { clock } = deps;
  const { limits } = work;
  let thread: Thread | undefined = startThread(work);
  await Atomics.waitAsync(thread.signal, 0, 0, START_TIMEOUT_MS).value;
  acceptThread(thread);
  // an idle pack must not keep the process alive
  thread.worker.unref();
  let isClosed = false;

  const ask = (question: ThreadQuestion): PackResult | PackFault => {
    thread ??= startThread(work);
    const current = thread;
    if (!current.isReady) {
      hasAnswered(current.signal, 0, { clock, timeoutMs: START_TIMEOUT_MS });
      acceptThread(current);
      current.worker.unref();
    }
    const seen = Atomics.load(current.signal, 0);
    // exactly these bytes: a Buffer's view would carry along what else lies in its pool
    const input = new Uint8Array(question.input);
    current.port.postMessage({ ...question, input }, [input.buffer]);
    if (!hasAnswered(current.signal, seen, { clock, timeoutMs: limits.deadlineMs })) return "timeout";
    const answer = takeAnswer(current);
    return answer?.kind === "result" ? answer.result : "crashed";
  };

  return {
    evaluate: (input, tenantUid) => {
      const startMs = clock.monotonicMs();
      const failed = (fault: PackFault): PackResult => {
        const durationUs = Math.round((clock.monotonicMs() - startMs) * 1000);
        return { ok: false, fault, durationUs };
      };
      if (isClosed) return failed("crashed");
      if (input.length > limits.maxInputBytes) return failed("memory");
      try {
        const result = ask({ input, tenantUid });
        if (typeof result !== "string") return result;
        thread = endThread(thread);
        // the next thread starts while the caller handles this fault
        thread = startThread(work);
        return failed(result);
      } catch {
        thread = endThread(thread);
        return failed("crashed");
      }
    },
    close: () => {
      isClosed = true;
      thread = endThread(thread);
    },
  };
}

function startThread(work: ThreadWork): Thread {
  const channel = new MessageChannel();
  const signal = new Int32Array(new SharedArrayBuffer(4));
  const start: ThreadStart = { port: channel.port2, signal, work };
  // the build renames this file and its neighbour alike
  const file = new URL(`./pack-thread${extname(import.meta.url)}`, import.meta.url);
  const worker = new Worker(file, {
    workerData: start,
    transferList: [channel.port2],
    env: {},
    // nothing of a pack's thread is printed
    stdout: true,
    stderr: true,
    resourceLimits: { maxOldGenerationSizeMb: MAX_THREAD_HEAP_MB },
  });
  const thread: Thread = { worker, port: channel.port1, signal, isReady: false };
  worker.on("error", () => {
    // whoever waits learns it from the deadline; the next evaluation starts another thread
    thread.isReady = false;
  });
  return thread;
}

/** Sleeps until the count of answers is no longer `seen`, or the time is over. */
function hasAnswered(
  signal: Int32Array<SharedArrayBuffer>,
  seen: number,
  { clock, timeoutMs }: { readonly clock: Pick<Clock, "monotonicMs">; readonly timeoutMs: number },
): boolean {
  const endMs = clock.monotonicMs() + timeoutMs;
  while (Atomics.load(signal, 0) === seen) {
    // the notification of the answer before may come late and wake us without a new one: look again, and sleep again
    const wake = Atomics.wait(signal, 0, seen, endMs - clock.monotonicMs());
    if (wake === "timed-out") return Atomics.load(signal, 0) !== seen;
  }
  return true;
}

/** Ends the thread wherever it is, also in a loop of the module. */
function endThread(thread: Thread | undefined): undefined {
  thread?.port.close();
  void thread?.worker.terminate();
}

function acceptThread(thread: Thread): void {
  const answer = takeAnswer(thread);
  if (answer?.kind === "ready") {
    thread.isReady = true;
    return;
  }
  endThread(thread);
  if (answer?.kind === "refused") throw new StepgateError(answer.code, answer.detail);
  throw new StepgateError("PACK_IMPORT_REFUSED", { reason: "the module does not start in time" });
}

function takeAnswer(thread: Thread): ThreadAnswer | undefined {
  return receiveMessageOnPort(thread.port)?.message as ThreadAnswer | undefined;
}
