/**
 * Attacks on a sandbox, in Perl (perl-base is part of every Debian): each prints THROUGH when it got through.
 *
 * `plain` says whether it gets through with an own uid and rlimits only: what that level is documented not to hold, or
 * what depends on how the machine's kernel is set. `fences` are what the strongest level holds it with: taken away
 * together, the attack gets through. Placeholders such as %PORT% are filled in with what the test planted.
 */
import type { Fence } from "./fences.ts";

export interface Attack {
  readonly name: string;
  readonly code: string;
  readonly plain: "through" | "blocked" | "depends";
  readonly fences: readonly Fence[];
}

const CONNECT = `use Socket; sub reach { my ($f, $t, $p, $a) = @_; socket(my $s, $f, $t, $p) or return 0; return $a ? connect($s, $a) : 1 }`;
/** Reachable means: the kernel looked at the call instead of refusing it. */
const REACHED = `sub reached { my ($n, @a) = @_; my $r = syscall($n, @a); return $r != -1 || ($! != 1 && $! != 38) }`;

const attack = (name: string, plain: Attack["plain"], fences: Attack["fences"], code: string): Attack => ({
  name,
  plain,
  fences,
  code,
});
const when = (condition: string) => `print "THROUGH" if ${condition};`;

export const ATTACKS: readonly Attack[] = [
  attack("read a private file of the service", "blocked", ["binds", "uid"], when('open(my $f, "<", "%PRIVATE%")')),
  attack("read the system's passwords", "blocked", ["binds", "uid"], when('open(my $f, "<", "/etc/shadow")')),
  attack("read a public file of the host", "through", ["binds"], when('open(my $f, "<", "%PUBLIC%")')),
  attack("write a private file of the service", "blocked", ["binds", "uid"], when('open(my $f, ">>", "%PRIVATE%")')),
  attack(
    "write where every uid may",
    "through",
    ["binds"],
    when('open(my $f, ">", "%OPEN%/%MARKER%") && unlink("%OPEN%/%MARKER%")'),
  ),
  attack(
    "write into the system",
    "blocked",
    ["binds", "uid"],
    'if (open(my $f, ">", "/usr/%MARKER%")) { unlink "/usr/%MARKER%"; print "THROUGH" }',
  ),
  attack(
    "write into a folder that the sandbox made",
    "blocked",
    ["read_only"],
    'for ("/%MARKER%", "/dev/%MARKER%") { if (open(my $f, ">", $_)) { unlink $_; print "THROUGH" } }',
  ),
  attack(
    "list the processes of the host",
    "through",
    ["pids"],
    'open(my $f, "<", "/proc/%PID%/cmdline"); print "THROUGH" if defined $f && <$f> =~ /sleep/',
  ),
  attack("signal a process of the host", "blocked", ["pids", "uid"], when("kill(0, %PID%)")),
  attack(
    "trace a process of the host",
    "blocked",
    ["walls"],
    `${REACHED} ${when("syscall(%ptrace%, 0x4206, %PID%, 0, 0) == 0")}`,
  ),
  attack(
    "send datagrams to the host's loopback",
    "through",
    ["network"],
    // where nobody listens, the first one is answered by a refusal that the second one reports
    `${CONNECT} socket(my $s, PF_INET, SOCK_DGRAM, 0); connect($s, pack_sockaddr_in(%UDP_PORT%, inet_aton("127.0.0.1"))); send($s, "x", 0); select undef, undef, undef, 0.05; ${when('defined send($s, "x", 0)')}`,
  ),
  attack(
    "connect to the host's loopback",
    "through",
    ["network"],
    `${CONNECT} ${when('reach(PF_INET, SOCK_STREAM, 0, pack_sockaddr_in(%PORT%, inet_aton("127.0.0.1")))')}`,
  ),
  attack(
    "connect to a unix socket by path",
    "through",
    ["binds", "filter"],
    `${CONNECT} ${when('reach(PF_UNIX, SOCK_STREAM, 0, pack_sockaddr_un("%SOCKET%"))')}`,
  ),
  attack(
    "connect to an abstract unix socket",
    "through",
    ["network", "filter"],
    `${CONNECT} ${when('reach(PF_UNIX, SOCK_STREAM, 0, pack_sockaddr_un("\\0%ABSTRACT%"))')}`,
  ),
  attack(
    "open a raw socket",
    "blocked",
    ["capabilities", "nested"],
    `${CONNECT} ${when("reach(PF_INET, SOCK_RAW, 1)")}`,
  ),
  attack("open a netlink socket", "through", ["filter"], `${CONNECT} ${when("reach(16, SOCK_RAW, 0)")}`),
  attack("open a vsock socket", "depends", ["filter"], `${CONNECT} ${when("reach(40, SOCK_STREAM, 0)")}`),
  attack("trace oneself for a tracer", "through", ["filter"], `${REACHED} ${when("reached(%ptrace%, 0, 0, 0, 0)")}`),
  attack(
    "trace a child of one's own",
    "through",
    ["filter"],
    'my $p = fork; if ($p == 0) { sleep 20; exit } print "THROUGH" if syscall(%ptrace%, 0x4206, $p, 0, 0) == 0; kill 9, $p;',
  ),
  attack(
    "read another process's memory",
    "through",
    ["filter"],
    `${REACHED} ${when("reached(%process_vm_readv%, $$, 0, 0, 0, 0, 0)")}`,
  ),
  attack(
    "make a mount namespace",
    "blocked",
    ["filter", "capabilities"],
    `${REACHED} ${when("syscall(%unshare%, 0x20000) == 0")}`,
  ),
  attack(
    "make a nested user namespace",
    "depends",
    ["filter", "nested"],
    `${REACHED} ${when("syscall(%unshare%, 0x10000000) == 0")}`,
  ),
  attack(
    "clone into a user namespace",
    "depends",
    ["filter", "nested"],
    'my $p = syscall(%clone%, 0x10000000 | 17, 0, 0, 0, 0); exit 0 if $p == 0; if ($p > 0) { waitpid($p, 0); print "THROUGH" }',
  ),
  attack(
    "mount a file system",
    "blocked",
    ["filter", "capabilities", "nested"],
    'syscall(%unshare%, 0x20000) == 0 or exit; my ($n, $r, $t, $k) = ("none", "/", "/usr", "tmpfs"); print "THROUGH" if syscall(%mount%, $n, $r, 0, 0x44000, 0) == 0 && syscall(%mount%, $n, $t, $k, 0, 0) == 0;',
  ),
  attack(
    "turn the root writable again",
    "blocked",
    ["filter", "capabilities", "nested"],
    'syscall(%unshare%, 0x20000) == 0 or exit; my ($n, $r) = ("none", "/"); syscall(%mount%, $n, $r, 0, 0x44000, 0); print "THROUGH" if syscall(%mount%, $n, $r, 0, 0x1020, 0) == 0;',
  ),
  attack(
    "change root",
    "blocked",
    ["filter", "capabilities"],
    'my $d = "/usr"; print "THROUGH" if syscall(%chroot%, $d) == 0;',
  ),
  attack("reach io_uring", "depends", ["filter"], `${REACHED} ${when("reached(425, 8, 0)")}`),
  attack("reach bpf(2)", "depends", ["filter"], `${REACHED} ${when("reached(%bpf%, 999, 0, 0) ")}`),
  attack("reach userfaultfd", "depends", ["filter"], `${REACHED} ${when("reached(%userfaultfd%, 1)")}`),
  attack("reach the keyring", "depends", ["filter"], `${REACHED} ${when("reached(%keyctl%, 0, -3, 0)")}`),
  attack(
    "reach perf events",
    "depends",
    ["filter"],
    `${REACHED} ${when("reached(%perf_event_open%, 0, 0, -1, -1, 0)")}`,
  ),
  attack(
    "open a file by handle",
    "depends",
    ["walls"],
    `${REACHED} my $h = "\\0" x 64; ${when("reached(%open_by_handle_at%, -100, $h, 0)")}`,
  ),
  attack("change the personality", "depends", ["filter"], `${REACHED} ${when("reached(%personality%, 0xffffffff)")}`),
  attack(
    "hold memory that no rlimit counts, shared",
    "through",
    ["filter"],
    when("syscall(%mmap%, 0, 1 << 30, 3, 0x21, -1, 0) != -1"),
  ),
  attack(
    "hold memory that no rlimit counts, memfd",
    "through",
    ["filter"],
    'my $n = "m"; print "THROUGH" if syscall(%memfd_create%, $n, 0) != -1;',
  ),
  attack(
    "hold memory that no rlimit counts, SysV",
    "through",
    ["filter"],
    'my $id = syscall(%shmget%, 0, 1 << 20, 01600); if ($id != -1) { syscall(%shmctl%, $id, 0, 0); print "THROUGH" }',
  ),
  attack(
    "hold memory that no rlimit counts, /dev/shm",
    "through",
    ["devices"],
    when('open(my $f, ">", "/dev/shm/%MARKER%") && unlink("/dev/shm/%MARKER%")'),
  ),
  attack("see the service's environment", "blocked", ["environment"], when('exists $ENV{"STEPGATE_CANARY"}')),
  attack(
    "write a larger file than allowed",
    "blocked",
    ["rlimits", "tmpfs_size"],
    'my $f; open($f, ">", "%OPEN%/big") || open($f, ">", "/tmp/big"); my $n = 0; $SIG{XFSZ} = "IGNORE"; while ($n < 64) { syswrite($f, "x" x 1048576) == 1048576 or last; $n++ } unlink "%OPEN%/big"; print "THROUGH" if $n > 16;',
  ),
  attack(
    "fill memory through many files",
    "through",
    ["tmpfs_size"],
    'my $n = 0; for my $i (1 .. 40) { open(my $f, ">", "/tmp/%MARKER%-$i") or last; syswrite($f, "x" x 1048576) == 1048576 or last; $n++ } unlink glob "/tmp/%MARKER%-*"; print "THROUGH" if $n > 16;',
  ),
  attack(
    "start more processes than allowed",
    "blocked",
    ["rlimits"],
    'my @p; for (1 .. 200) { my $p = fork; last unless defined $p; if ($p == 0) { sleep 20; exit } push @p, $p } kill 9, @p; print "THROUGH" if @p > 32;',
  ),
  attack(
    "hold more memory than allowed",
    "blocked",
    ["rlimits"],
    'my @m; eval { push @m, "x" x 16777216 for 1 .. 24 }; print "THROUGH" if @m >= 24;',
  ),
  attack(
    "open more files than allowed",
    "blocked",
    ["rlimits"],
    'my @f; for (1 .. 1000) { open(my $f, "<", "/dev/null") or last; push @f, $f } print "THROUGH" if @f >= 1000;',
  ),
  attack(
    "gain privileges through a setuid program",
    "blocked",
    ["walls"],
    'open(my $s, "<", "/proc/self/status"); print "THROUGH" if grep /^NoNewPrivs:\\s+0/, <$s>;',
  ),
];

const NUMBERS: Readonly<Record<string, readonly [x64: number, arm64: number]>> = {
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  unshare: [272, 97],
  clone: [56, 220],
  mount: [165, 40],
  chroot: [161, 51],
  bpf: [321, 280],
  userfaultfd: [323, 282],
  keyctl: [250, 219],
  perf_event_open: [298, 241],
  open_by_handle_at: [304, 265],
  personality: [135, 92],
  mmap: [9, 222],
  memfd_create: [319, 279],
  shmget: [29, 194],
  shmctl: [31, 195],
};

/** The attack's code with what was planted, and the machine's numbers of system calls, filled in. */
export function arm({ code }: Attack, planted: Readonly<Record<string, string | number>>): string {
  const numbers = Object.fromEntries(
    Object.entries(NUMBERS).map(([name, [x64, arm64]]) => [name, process.arch === "x64" ? x64 : arm64]),
  );
  return code.replaceAll(/%(\w+)%/g, (_, name: string) => String(planted[name] ?? numbers[name] ?? `missing ${name}`));
}
