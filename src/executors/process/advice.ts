/**
 * What a person can do to get a stronger isolation on this machine.
 *
 * In: the machine and what the self-test saw. Out: one sentence, or nothing at the strongest level.
 */
import type { IsolationLevel } from "../../core/isolation.ts";
import type { IsolationReport } from "../contract.ts";
import type { Machine } from "./machine.ts";

const INSTALL =
  "apt-get install -y bubblewrap (Debian, Ubuntu), dnf install bubblewrap (Fedora), apk add bubblewrap (Alpine)";

/** One sentence on the first thing that stands in the way. */
export function advise(machine: Machine, level: IsolationLevel, checks: IsolationReport["checks"]): string | undefined {
  if (level === "namespaces+seccomp+uid") return undefined;
  if (process.platform !== "linux")
    return "programs are isolated on Linux only: run the service there, or in a container";
  if (machine.prlimit === undefined || machine.setpriv === undefined)
    return "install util-linux, which has prlimit and setpriv";
  if (machine.perl === undefined) return "install perl (Debian: perl-base): the self-test's probe runs on it";
  if (machine.bubblewrap === undefined) return `install bubblewrap: ${INSTALL}`;
  if (level === "namespaces" && !machine.isRoot)
    return "run the service as root: only then has each step a uid of its own";
  if (machine.filter === undefined) return `there is no system-call table for ${machine.arch}: x64 and arm64 have one`;
  if (checks.some(({ detail }) => /new namespace|ENOSPC|uid map|Operation not permitted/.test(detail)))
    return "allow user namespaces: sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns, or the container's seccomp profile";
  return "the checks that did not hold say what is open";
}
