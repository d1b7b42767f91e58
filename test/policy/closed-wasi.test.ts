import t from "tap";
import { closedWasi } from "../../src/policy/closed-wasi.ts";

type Call = (...operands: readonly (number | bigint)[]) => number;

function open(nowMs: () => number = () => 0) {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const clock = { nowMs: () => 1_700_000_000_000, monotonicMs: nowMs };
  const random = (size: number) => new Uint8Array(size).fill(7);
  const functions = closedWasi({ memory: () => memory, clock, random }) as Readonly<Record<string, Call>>;
  const call = (name: string, ...operands: readonly (number | bigint)[]) => functions[name]?.(...operands);
  return { call, view: new DataView(memory.buffer) };
}

t.test("gives the time and the randomness of the host, and nothing else", async (t) => {
  const { call, view } = open(() => 12.5);
  t.equal(call("clock_time_get", 0, 0n, 8), 0);
  t.equal(view.getBigUint64(8, true), 1_700_000_000_000_000_000n);
  t.equal(call("clock_time_get", 1, 0n, 8), 0);
  t.equal(view.getBigUint64(8, true), 12_500_000n);
  t.equal(call("random_get", 16, 4), 0);
  t.equal(view.getUint32(16, true), 0x07070707);
  for (const sizes of ["args_sizes_get", "environ_sizes_get"]) {
    view.setUint32(0, 9, true);
    t.equal(call(sizes, 0, 4), 0);
    t.same([view.getUint32(0, true), view.getUint32(4, true)], [0, 0], sizes);
  }
});

t.test("drops what the module prints, all of it", async (t) => {
  const { call, view } = open();
  view.setUint32(4, 10, true);
  view.setUint32(12, 5, true);
  t.equal(call("fd_write", 2, 0, 2, 16), 0);
  t.equal(view.getUint32(16, true), 15);
});

t.test("has no files", async (t) => {
  const { call } = open();
  for (const name of ["fd_read", "fd_close", "fd_prestat_get", "path_open", "path_filestat_get", "fd_readdir"]) {
    t.not(call(name, 3, 0, 0, 0), 0, name);
  }
});

t.test("ends with an error when the module leaves", async (t) => {
  t.throws(() => open().call("proc_exit", 2), { name: "WasiExit", status: 2 });
});

t.test("sleeps until the earliest of the asked times, and says which it was", async (t) => {
  const { call, view } = open();
  const subscribe = (at: number, userdata: bigint, timeoutNs: bigint) => {
    view.setBigUint64(at, userdata, true);
    view.setUint32(at + 16, 1, true);
    view.setBigUint64(at + 24, timeoutNs, true);
  };
  subscribe(0, 11n, 3_600_000_000_000n);
  subscribe(48, 22n, 1_000_000n);
  t.equal(call("poll_oneoff", 0, 512, 2, 1024), 0);
  t.equal(view.getUint32(1024, true), 1);
  t.equal(view.getBigUint64(512, true), 22n);
  view.setUint8(8, 1);
  t.not(call("poll_oneoff", 0, 512, 1, 1024), 0, "anything but a clock");
  t.not(call("poll_oneoff", 0, 512, 0, 1024), 0, "nothing at all");
});
