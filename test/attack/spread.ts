/** A program that spreads into processes which are hard to end, and the way to find them from outside. */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** Starts `sleep 600.<marker>` as a child, in a new session, doubly forked, and deaf to SIGTERM; then sleeps itself. */
export const SPREAD = `
use POSIX ();
my $sleep = "600.$ARGV[0]";
sub start { my ($before) = @_; my $p = fork; return if $p; $before->(); close STDIN; close STDOUT; close STDERR; exec "/usr/bin/sleep", $sleep }
start(sub {});
start(sub { POSIX::setsid() });
start(sub { POSIX::setsid(); exit 0 if fork });
start(sub { $SIG{TERM} = "IGNORE"; POSIX::setsid() });
$SIG{TERM} = "IGNORE";
$| = 1; print "spread\\n";
if ($ARGV[1]) { select undef, undef, undef, 0.3; exit 0 }
sleep 600 while 1;
`;

/** Pids on the host whose command line holds the marker. */
export function pidsWith(marker: string): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(marker);
      } catch {
        // it ended between the two looks
        return false;
      }
    })
    .map(Number);
}

/** Looks again until `isDone`, or for `timeoutMs`; there is no event for processes of others. */
export async function pidsUntil(
  marker: string,
  isDone: (pids: readonly number[]) => boolean,
  timeoutMs: number,
): Promise<readonly number[]> {
  const endMs = performance.now() + timeoutMs;
  let pids = pidsWith(marker);
  while (!isDone(pids) && performance.now() < endMs) {
    await delay(10);
    pids = pidsWith(marker);
  }
  return pids;
}
