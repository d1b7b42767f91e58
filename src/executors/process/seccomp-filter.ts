/**
 * The system-call filter of the sandbox, as classic BPF bytes for bubblewrap's --seccomp (seccomp(2), linux/filter.h).
 *
 * In: the machine. Out: `struct sock_filter[]`, little-endian, or nothing for a machine without a table: then the level
 * is not available. Not here: the table of denied calls (denied-syscalls.ts), loading the filter (bubblewrap does).
 */
import { DENIED_CALLS } from "./denied-syscalls.ts";

type KnownArch = "x64" | "arm64";

interface ArchNumbers {
  /** AUDIT_ARCH_* of linux/audit.h. */
  readonly audit: number;
  readonly clone: number;
  readonly ioctl: number;
  readonly socket: number;
  readonly mmap: number;
  /** First number of a second calling convention that would bypass the table (x32), if the machine has one. */
  readonly foreignAbi: number | undefined;
}

const ARCHES: Readonly<Record<KnownArch, ArchNumbers>> = {
  x64: { audit: 0xc000003e, clone: 56, ioctl: 16, socket: 41, mmap: 9, foreignAbi: 0x40000000 },
  arm64: { audit: 0xc00000b7, clone: 220, ioctl: 29, socket: 198, mmap: 222, foreignAbi: undefined },
};

const CLONE3 = 435;
/** futex_requeue, Linux 6.7: what came later was not looked at, so it answers "no such call". */
const NEWEST_KNOWN_CALL = 456;
/** CLONE_NEW* of sched.h: time, mount, cgroup, uts, ipc, user, pid, net. */
const NAMESPACE_FLAGS = 0x7e020080;
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;
const AF_INET = 2;
const AF_INET6 = 10;
/** MAP_SHARED | MAP_ANONYMOUS: memory that no rlimit counts. */
const SHARED_ANONYMOUS = 0x21;

const EPERM = 1;
const ENOSYS = 38;
const VERDICTS = {
  kill: 0x80000000,
  denied: 0x00050000 | EPERM,
  unknown: 0x00050000 | ENOSYS,
  allow: 0x7fff0000,
} as const;

/** Offsets in struct seccomp_data; arguments are read by their low word, which is all that the kernel looks at here. */
const AT_NUMBER = 0;
const AT_ARCH = 4;
const argument = (index: number) => 16 + 8 * index;

const OP = { load: 0x20, equal: 0x15, atLeast: 0x35, above: 0x25, anyBit: 0x45, mask: 0x54, answer: 0x06 } as const;

/** One instruction; a jump names where it goes when true, else it falls through. */
interface Instruction {
  readonly op: number;
  readonly value: number;
  readonly goto?: string;
  readonly label?: string;
}

/** The filter for this machine, or undefined when there is no table for it. */
export function seccompFilter(arch: string): Uint8Array | undefined {
  return arch === "x64" || arch === "arm64" ? assemble(program(arch)) : undefined;
}

function program(arch: KnownArch): readonly Instruction[] {
  const { audit, clone, ioctl, socket, mmap, foreignAbi } = ARCHES[arch];
  const denied = DENIED_CALLS.flatMap((call) => call[arch] ?? []);
  return [
    { op: OP.load, value: AT_ARCH },
    { op: OP.equal, value: audit, goto: "known" },
    { op: OP.answer, value: VERDICTS.kill },
    { op: OP.load, value: AT_NUMBER, label: "known" },
    ...(foreignAbi === undefined ? [] : [{ op: OP.atLeast, value: foreignAbi, goto: "kill" }]),
    { op: OP.above, value: NEWEST_KNOWN_CALL, goto: "unknown" },
    // its flags lie in memory, where a filter cannot look; glibc falls back to clone
    { op: OP.equal, value: CLONE3, goto: "unknown" },
    { op: OP.equal, value: clone, goto: "clone" },
    { op: OP.equal, value: ioctl, goto: "ioctl" },
    { op: OP.equal, value: socket, goto: "socket" },
    { op: OP.equal, value: mmap, goto: "mmap" },
    ...denied.map((number) => ({ op: OP.equal, value: number, goto: "denied" })),
    { op: OP.answer, value: VERDICTS.allow },
    { op: OP.load, value: argument(0), label: "clone" },
    { op: OP.anyBit, value: NAMESPACE_FLAGS, goto: "denied" },
    { op: OP.answer, value: VERDICTS.allow },
    { op: OP.load, value: argument(1), label: "ioctl" },
    { op: OP.equal, value: TIOCSTI, goto: "denied" },
    { op: OP.equal, value: TIOCLINUX, goto: "denied" },
    { op: OP.answer, value: VERDICTS.allow },
    { op: OP.load, value: argument(0), label: "socket" },
    { op: OP.equal, value: AF_INET, goto: "allow" },
    { op: OP.equal, value: AF_INET6, goto: "allow" },
    { op: OP.answer, value: VERDICTS.denied },
    { op: OP.load, value: argument(3), label: "mmap" },
    { op: OP.mask, value: SHARED_ANONYMOUS },
    { op: OP.equal, value: SHARED_ANONYMOUS, goto: "denied" },
    ...(["allow", "denied", "unknown", "kill"] as const).map((label) => ({
      op: OP.answer,
      value: VERDICTS[label],
      label,
    })),
  ];
}

/** Instructions as 8 bytes each: u16 code, u8 jump if true, u8 jump if false, u32 value. */
function assemble(instructions: readonly Instruction[]): Uint8Array {
  const places = new Map(instructions.flatMap(({ label }, index) => (label === undefined ? [] : [[label, index]])));
  const bytes = Buffer.alloc(instructions.length * 8);
  for (const [index, { op, value, goto }] of instructions.entries()) {
    bytes.writeUInt16LE(op, index * 8);
    // writeUInt8 throws when a jump is longer than a byte, or backwards: both would be a filter that lies
    bytes.writeUInt8(goto === undefined ? 0 : (places.get(goto) ?? -1) - index - 1, index * 8 + 2);
    bytes.writeUInt32LE(value >>> 0, index * 8 + 4);
  }
  return bytes;
}
