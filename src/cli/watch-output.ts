/**
 * What becomes of the process when its output is taken no more: `| head` has read enough, or the disk behind `>` is full.
 *
 * A command ends as if it were interrupted: there is nothing left to do for it. A service goes on, since its work is not
 * what it prints. Not here: the log, which is written apart (telemetry/log-destination.ts).
 */
import { reportError } from "./report-error.ts";
import { EXIT, type ExitCode } from "./surroundings.ts";
import type { Terminal } from "./terminal.ts";

interface Output {
  readonly on: (event: "error", listener: (error: Error) => void) => unknown;
}

export interface WatchedOutput {
  readonly out: Output;
  readonly err: Output;
  readonly terminal: Terminal;
  readonly isService: boolean;
  /** Called once, with what the process should end with. */
  readonly end: (code: ExitCode) => void;
}

/** Listens to both streams: without a listener an error would end the process with a stack trace. */
export function watchOutput({ out, err, terminal, isService, end }: WatchedOutput): void {
  let isOver = isService;
  out.on("error", (error) => {
    if (isOver) return;
    isOver = true;
    end("code" in error && error.code === "EPIPE" ? EXIT.unread : reportError(error, terminal));
  });
  // there is nowhere to say that nothing can be said
  err.on("error", () => undefined);
}
