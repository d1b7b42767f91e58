/**
 * System calls that no sandboxed program may make, with their numbers on both machines we know.
 *
 * Numbers: Linux arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h (arm64); from 424 on they are
 * the same. Undefined: the machine has no such call. Not here: calls that are judged by argument (seccomp-filter.ts).
 */
interface DeniedCall {
  readonly name: string;
  readonly x64: number | undefined;
  readonly arm64: number | undefined;
}

const call = (name: string, x64: number | undefined, arm64: number | undefined): DeniedCall => ({ name, x64, arm64 });
/** A call with one number everywhere. */
const shared = (name: string, number: number): DeniedCall => ({ name, x64: number, arm64: number });

export const DENIED_CALLS: readonly DeniedCall[] = [
  // other processes
  call("ptrace", 101, 117),
  call("process_vm_readv", 310, 270),
  call("process_vm_writev", 311, 271),
  call("kcmp", 312, 272),
  shared("pidfd_getfd", 438),
  shared("process_madvise", 440),

  // file systems and namespaces
  call("mount", 165, 40),
  call("umount2", 166, 39),
  call("pivot_root", 155, 41),
  call("chroot", 161, 51),
  call("unshare", 272, 97),
  call("setns", 308, 268),
  shared("open_tree", 428),
  shared("move_mount", 429),
  shared("fsopen", 430),
  shared("fsconfig", 431),
  shared("fsmount", 432),
  shared("fspick", 433),
  shared("mount_setattr", 442),
  call("name_to_handle_at", 303, 264),
  call("open_by_handle_at", 304, 265),
  call("fanotify_init", 300, 262),
  call("fanotify_mark", 301, 263),
  call("quotactl", 179, 60),
  shared("quotactl_fd", 443),
  call("swapon", 167, 224),
  call("swapoff", 168, 225),
  call("acct", 163, 89),

  // wide kernel surface that programs do without
  call("bpf", 321, 280),
  call("perf_event_open", 298, 241),
  shared("io_uring_setup", 425),
  shared("io_uring_enter", 426),
  shared("io_uring_register", 427),
  call("userfaultfd", 323, 282),
  call("add_key", 248, 217),
  call("request_key", 249, 218),
  call("keyctl", 250, 219),
  call("lookup_dcookie", 212, 18),
  call("personality", 135, 92),
  call("modify_ldt", 154, undefined),
  call("iopl", 172, undefined),
  call("ioperm", 173, undefined),
  call("vhangup", 153, 58),
  call("uselib", 134, undefined),
  call("ustat", 136, undefined),
  call("sysfs", 139, undefined),
  call("_sysctl", 156, undefined),
  call("nfsservctl", 180, 42),

  // the kernel itself
  call("kexec_load", 246, 104),
  call("kexec_file_load", 320, 294),
  call("init_module", 175, 105),
  call("finit_module", 313, 273),
  call("delete_module", 176, 106),
  call("create_module", 174, undefined),
  call("get_kernel_syms", 177, undefined),
  call("query_module", 178, undefined),
  call("reboot", 169, 142),
  call("syslog", 103, 116),
  call("settimeofday", 164, 170),
  call("clock_settime", 227, 112),
  call("clock_adjtime", 305, 266),
  call("adjtimex", 159, 171),
  call("sethostname", 170, 161),
  call("setdomainname", 171, 162),

  // memory that RLIMIT_DATA does not count, and placement of memory
  call("memfd_create", 319, 279),
  shared("memfd_secret", 447),
  call("shmget", 29, 194),
  call("semget", 64, 190),
  call("msgget", 68, 186),
  call("mbind", 237, 235),
  call("set_mempolicy", 238, 237),
  shared("set_mempolicy_home_node", 450),
  call("migrate_pages", 256, 238),
  call("move_pages", 279, 239),
];
