/**
 * What the self-test runs inside the sandbox: a small attacker that says what it could reach.
 *
 * In: where the planted things are. Out: `name=value` lines, then END; a probe that does not reach END proves nothing.
 * Perl, since perl-base is part of every Debian and can do sockets without another package. Not here: judging (self-test.ts).
 */
const PROBE = String.raw`
use strict; use Socket;
my ($canary, $socket, $abstract, $port, $unshare, $ptrace) = @ARGV;
sub tell_ { print "$_[0]=$_[1]\n" }
sub reaches { my ($family, $address) = @_;
  socket(my $s, $family, SOCK_STREAM, 0) or return "no";
  return connect($s, $address) ? "yes" : "no" }
my @open;
for my $fd (3 .. 1023) { next unless open(my $handle, "<&=", $fd);
  push @open, $fd unless (stat $handle)[6] == 0x103 }
tell_("descriptors", join(",", @open));
tell_("environment", join(",", sort keys %ENV));
tell_("uid", join(",", $<, $>));
tell_("gid", join(",", split(/ /, $()));
tell_("canary", open(my $file, "<", $canary) ? "yes" : "no");
tell_("tcp", reaches(PF_INET, pack_sockaddr_in($port, inet_aton("127.0.0.1"))));
tell_("unix_path", reaches(PF_UNIX, pack_sockaddr_un($socket)));
tell_("unix_abstract", reaches(PF_UNIX, pack_sockaddr_un("\0" . $abstract)));
tell_("writable", join(",", grep { open(my $out, ">", "$_/stepgate-probe") } "/", "/dev", "/usr", "/etc"));
my $proc; my $pids = opendir($proc, "/proc") ? grep(/^[0-9]+$/, readdir $proc) : 0;
tell_("pids", $pids); tell_("pid", $$);
if (open(my $status, "<", "/proc/self/status")) { while (<$status>) {
  tell_("no_new_privs", $1) if /^NoNewPrivs:\s+(\d)/; tell_("capabilities", hex $1) if /^CapEff:\s+(\S+)/ } }
if (open(my $limits, "<", "/proc/self/limits")) { while (<$limits>) { tell_("processes", $1) if /^Max processes\s+(\S+)/ } }
tell_("nested", $unshare < 0 ? "unknown" : syscall($unshare + 0, 0x10000000) == -1 ? "no" : "yes");
tell_("ptrace", $ptrace < 0 ? "unknown" : syscall($ptrace + 0, 0, 0, 0, 0) == -1 ? "no" : "yes");
print "END\n";
`;

/** ptrace, which the filter must refuse and which succeeds without it; unshare, for a user namespace inside the sandbox. */
const CALLS: Readonly<Record<string, { readonly unshare: number; readonly ptrace: number }>> = {
  x64: { unshare: 272, ptrace: 101 },
  arm64: { unshare: 97, ptrace: 117 },
};
const UNKNOWN_CALLS = { unshare: -1, ptrace: -1 } as const;

export interface PlantedThings {
  /** A file that nobody inside may read. */
  readonly canary: string;
  /** A unix socket of the host, by path and by abstract name. */
  readonly socket: string;
  readonly abstract: string;
  /** A TCP port on the host's loopback. */
  readonly port: number;
}

/** Arguments for perl: the probe, then where to look. */
export function probeArgs({ canary, socket, abstract, port }: PlantedThings, arch: string): readonly string[] {
  const { unshare, ptrace } = CALLS[arch] ?? UNKNOWN_CALLS;
  return ["-e", PROBE, canary, socket, abstract, String(port), String(unshare), String(ptrace)];
}

/** What the probe said, by name; undefined when it did not come to its END. */
export function readProbe(stdout: Buffer): ReadonlyMap<string, string> | undefined {
  const lines = stdout.toString("latin1").split("\n");
  if (lines.at(-2) !== "END") return undefined;
  return new Map(
    lines.slice(0, -2).map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
}
