/**
 * Ends a confined program: SIGTERM to the program, a grace, then SIGKILL to the sandbox, which takes everything along.
 *
 * In: the child and how it is walled. Out: stop (with grace), kill (at once), sweep (what outlived the program).
 * Not here: when to stop (launch.ts).
 */
import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Confinement } from "./confine.ts";

export type StopCause = "aborted" | "timeout" | "output";

interface StopperDeps {
  readonly child: ChildProcess;
  readonly walls: Confinement["walls"];
  readonly graceMs: number;
  /** Pid of the sandbox's first process, once bubblewrap told it. */
  readonly innerPid: () => number | undefined;
}

/** Makes the stopper of one program; the first cause stands. */
export function makeStopper({ child, walls, graceMs, innerPid }: StopperDeps) {
  let cause: StopCause | undefined;
  let grace: NodeJS.Timeout | undefined;

  const killAll = () => {
    if (walls === "plain") signalGroup(child, "SIGKILL");
    // the sandbox's first process dies with bubblewrap, and the kernel ends the namespace with it
    else child.kill("SIGKILL");
  };
  return {
    cause: () => cause,
    /** Asks the program to end, and ends it after the grace. */
    stop: (why: StopCause) => {
      if (cause !== undefined) return;
      cause = why;
      const isAsked = walls === "plain" ? signalGroup(child, "SIGTERM") : signalProgram(innerPid());
      if (!isAsked) killAll();
      else grace = setTimeout(killAll, graceMs);
    },
    kill: (why: StopCause) => {
      cause ??= why;
      killAll();
    },
    /** Ends what a plainly started program left in its group; a sandbox leaves nothing. */
    sweep: () => {
      if (walls === "plain") signalGroup(child, "SIGKILL");
    },
    done: () => clearTimeout(grace),
  };
}

/** False when there is nobody to ask. */
function signalGroup({ pid }: ChildProcess, name: NodeJS.Signals): boolean {
  return pid !== undefined && signal(-pid, name);
}

/** bubblewrap passes no signal on, so its first process's only child, the program, is asked by itself. */
function signalProgram(innerPid: number | undefined): boolean {
  if (innerPid === undefined) return false;
  try {
    const [program] = readFileSync(`/proc/${innerPid}/task/${innerPid}/children`, "latin1").split(" ");
    return program !== undefined && program !== "" && signal(Number(program), "SIGTERM");
  } catch {
    // no such list on this kernel, or the sandbox is gone already: SIGKILL follows
    return false;
  }
}

function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    // ESRCH: it is gone already, which is what was wanted
    return false;
  }
}
