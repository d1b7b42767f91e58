/**
 * WASI preview 1, closed: what a Go module needs to run, and nothing it could reach the machine with.
 *
 * In: the module's memory, once it exists. Out: the import object. No files, no arguments, no environment, no output:
 * what the module prints is dropped. Not here: node:wasi, which is no sandbox and warns on every start.
 */
import type { Clock } from "../core/clock.ts";

const SUCCESS = 0;
const BAD_FILE = 8;
const NOT_SUPPORTED = 58;
/** subscription: 48 bytes, event: 32 bytes (preview 1 witx, subscription and event). */
const SUBSCRIPTION_BYTES = 48;
const EVENT_BYTES = 32;
const CLOCK_REALTIME = 0;

/** The module left with `proc_exit`: its instance is finished. */
export class WasiExit extends Error {
  override readonly name = "WasiExit";
  readonly status: number;
  constructor(status: number) {
    super(`the module ended itself with status ${status}`);
    this.status = status;
  }
}

type WasiFunction = (...operands: never[]) => number;
const refused = [
  ...["fd_close", "fd_read", "fd_readdir", "fd_seek", "fd_filestat_get", "fd_fdstat_get", "fd_fdstat_set_flags"],
  ...["fd_prestat_get", "fd_prestat_dir_name"],
];
const unsupported = ["path_filestat_get", "path_readlink", "path_open"];

export interface ClosedWasiDeps {
  /** Asked for at each call, since memory moves when it grows. */
  readonly memory: () => WebAssembly.Memory;
  readonly clock: Clock;
  readonly random: (size: number) => Uint8Array;
}

/** Makes the imports of one instance. */
export function closedWasi({ memory, clock, random }: ClosedWasiDeps): WebAssembly.ModuleImports {
  const view = () => new DataView(memory().buffer);
  const nowNs = (id: number) => BigInt(Math.round((id === CLOCK_REALTIME ? clock.nowMs() : clock.monotonicMs()) * 1e6));
  const functions: Record<string, WasiFunction> = {
    sched_yield: () => SUCCESS,
    proc_exit: (status: number) => {
      throw new WasiExit(status);
    },
    args_get: () => SUCCESS,
    args_sizes_get: (count: number, size: number) => writeZeros(view(), count, size),
    environ_get: () => SUCCESS,
    environ_sizes_get: (count: number, size: number) => writeZeros(view(), count, size),
    clock_time_get: (id: number, _precision: bigint, at: number) => {
      view().setBigUint64(at, nowNs(id), true);
      return SUCCESS;
    },
    random_get: (at: number, length: number) => {
      new Uint8Array(memory().buffer, at, length).set(random(length));
      return SUCCESS;
    },
    fd_write: (_fd: number, buffers: number, count: number, written: number) => {
      const bytes = view();
      let total = 0;
      for (let index = 0; index < count; index += 1) total += bytes.getUint32(buffers + index * 8 + 4, true);
      bytes.setUint32(written, total, true);
      return SUCCESS;
    },
    poll_oneoff: (subscriptions: number, events: number, count: number, ready: number) =>
      waitForClock(view(), nowNs, { subscriptions, events, count, ready }),
  };
  for (const name of refused) functions[name] = () => BAD_FILE;
  for (const name of unsupported) functions[name] = () => NOT_SUPPORTED;
  return functions;
}

function writeZeros(view: DataView, first: number, second: number): number {
  view.setUint32(first, 0, true);
  view.setUint32(second, 0, true);
  return SUCCESS;
}

interface Poll {
  readonly subscriptions: number;
  readonly events: number;
  readonly count: number;
  readonly ready: number;
}

/** Sleeps until the earliest clock subscription; Go asks for nothing else, since it has no file open. */
function waitForClock(view: DataView, nowNs: (clockId: number) => bigint, poll: Poll): number {
  let earliestNs: bigint | undefined;
  let userdata = 0n;
  for (let index = 0; index < poll.count; index += 1) {
    const at = poll.subscriptions + index * SUBSCRIPTION_BYTES;
    if (view.getUint8(at + 8) !== 0) return NOT_SUPPORTED;
    const timeout = view.getBigUint64(at + 24, true);
    const isAbsolute = (view.getUint16(at + 40, true) & 1) === 1;
    const waitNs = isAbsolute ? timeout - nowNs(view.getUint32(at + 16, true)) : timeout;
    if (earliestNs === undefined || waitNs < earliestNs) {
      earliestNs = waitNs;
      userdata = view.getBigUint64(at, true);
    }
  }
  if (earliestNs === undefined) return NOT_SUPPORTED;
  if (earliestNs > 0n) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(earliestNs) / 1e6);
  for (let offset = 0; offset < EVENT_BYTES; offset += 8) view.setBigUint64(poll.events + offset, 0n, true);
  view.setBigUint64(poll.events, userdata, true);
  view.setUint32(poll.ready, 1, true);
  return SUCCESS;
}
