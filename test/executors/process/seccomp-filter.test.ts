/** The filter's bytes: decided by a small BPF interpreter of ours, for both machines (seccomp(2)). */
import t from "tap";
import { DENIED_CALLS } from "../../../src/executors/process/denied-syscalls.ts";
import { seccompFilter } from "../../../src/executors/process/seccomp-filter.ts";

const AUDIT = { x64: 0xc000003e, arm64: 0xc00000b7 } as const;
const EPERM = 0x50001;
const ENOSYS = 0x50026;
const ALLOW = 0x7fff0000;
const KILL = 0x80000000;

interface Call {
  readonly number: number;
  readonly args?: readonly number[];
  readonly audit?: number;
}

/** Runs classic BPF over one struct seccomp_data. */
function verdict(filter: Uint8Array, { number, args = [], audit = 0 }: Call): number {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(number, 0);
  data.writeUInt32LE(audit, 4);
  for (const [index, value] of args.entries()) data.writeUInt32LE(value >>> 0, 16 + 8 * index);
  const code = Buffer.from(filter);
  let accumulator = 0;
  for (let at = 0; at < code.length; at += 8) {
    const [op, jumpTrue, jumpFalse, value] = [
      code.readUInt16LE(at),
      code.readUInt8(at + 2),
      code.readUInt8(at + 3),
      code.readUInt32LE(at + 4),
    ];
    const jump = (isTrue: boolean) => (at += 8 * (isTrue ? jumpTrue : jumpFalse));
    if (op === 0x20) accumulator = data.readUInt32LE(value);
    else if (op === 0x54) accumulator = (accumulator & value) >>> 0;
    else if (op === 0x15) jump(accumulator === value);
    else if (op === 0x35) jump(accumulator >= value);
    else if (op === 0x25) jump(accumulator > value);
    else if (op === 0x45) jump((accumulator & value) !== 0);
    else if (op === 0x06) return value;
    else throw new Error(`unknown instruction ${op}`);
  }
  throw new Error("the filter does not end");
}

for (const arch of ["x64", "arm64"] as const) {
  t.test(`decides every call as meant on ${arch}`, async (t) => {
    const filter = seccompFilter(arch) ?? new Uint8Array();
    const decide = (call: Call) => verdict(filter, { audit: AUDIT[arch], ...call });
    const [clone, ioctl, socket, mmap, read] = arch === "x64" ? [56, 16, 41, 9, 0] : [220, 29, 198, 222, 63];
    t.ok(filter.length % 8 === 0 && filter.length / 8 < 256);
    for (const call of DENIED_CALLS) {
      const number = call[arch];
      if (number !== undefined) t.equal(decide({ number }), EPERM, call.name);
    }
    t.equal(decide({ number: read }), ALLOW, "read");
    t.equal(decide({ number: clone, args: [0x3d0f00] }), ALLOW, "a thread");
    for (const flag of [0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000])
      t.equal(decide({ number: clone, args: [flag | 17] }), EPERM, `clone with namespace flag ${flag.toString(16)}`);
    t.equal(decide({ number: 435 }), ENOSYS, "clone3");
    t.equal(decide({ number: ioctl, args: [1, 0x5412] }), EPERM, "TIOCSTI");
    t.equal(decide({ number: ioctl, args: [1, 0x5413] }), ALLOW, "TIOCGWINSZ");
    for (const family of [2, 10]) t.equal(decide({ number: socket, args: [family] }), ALLOW);
    for (const family of [0, 1, 16, 17, 40])
      t.equal(decide({ number: socket, args: [family] }), EPERM, `socket family ${family}`);
    t.equal(decide({ number: mmap, args: [0, 4096, 3, 0x22] }), ALLOW, "private anonymous memory");
    t.equal(decide({ number: mmap, args: [0, 4096, 3, 0x01] }), ALLOW, "a shared file");
    for (const flags of [0x21, 0x23, 0x8021])
      t.equal(decide({ number: mmap, args: [0, 4096, 3, flags] }), EPERM, "shared anonymous memory");
    t.equal(decide({ number: 457 }), ENOSYS, "a call that came after this table");
    t.equal(decide({ number: read, audit: 0x40000003 }), KILL, "another machine's call");
    t.equal(decide({ number: 0x40000000 + 39 }), arch === "x64" ? KILL : ENOSYS, "x32");
  });
}

t.test("has no filter for a machine without a table", async (t) => {
  t.equal(seccompFilter("riscv64"), undefined);
  t.equal(seccompFilter("ia32"), undefined);
});

t.test("names every call once", async (t) => {
  const names = DENIED_CALLS.map(({ name }) => name);
  t.equal(new Set(names).size, names.length);
  for (const arch of ["x64", "arm64"] as const) {
    const numbers = DENIED_CALLS.flatMap((call) => call[arch] ?? []);
    t.equal(new Set(numbers).size, numbers.length);
  }
});
