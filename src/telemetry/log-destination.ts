/**
 * Standard output as the log's destination: each line written at once, so that a killed process has said what it said.
 *
 * A full disk under the log, or a reader that is gone, must neither end the process nor stop its work: what cannot be
 * written is lost and counted, and the log says how much as soon as it can be written again. What must not be lost is
 * evidence, and that is in the database. Not here: what a line holds (logger.ts).
 */
import { writeSync } from "node:fs";
import { systemClock } from "../core/clock.ts";

export interface LogDestination {
  readonly write: (line: string) => void;
}

/** For how long a reader that is slow is waited for, in all, per line. */
const BUSY_LIMIT_MS = 1000;
const BUSY_PAUSE_MS = 10;

/** Makes the destination; `write` never throws. `put` writes bytes as `fs.writeSync` does and says how many. */
export function standardOutput(put: (bytes: Uint8Array) => number = (bytes) => writeSync(1, bytes)): LogDestination {
  let lost = 0;
  let isTorn = false;
  const writeWhole = (text: string): boolean => {
    const bytes = Buffer.from(isTorn ? `\n${text}` : text);
    // once a line was lost nobody is waited for: a reader that stands still would hold up the process with every line
    let patienceMs = lost > 0 ? 0 : BUSY_LIMIT_MS;
    for (let done = 0; done < bytes.length; ) {
      const taken = tryPut(put, bytes.subarray(done));
      if (typeof taken === "number") done += taken;
      else if (taken === "busy" && patienceMs > 0) patienceMs -= pause();
      else {
        isTorn ||= done > 0;
        return false;
      }
    }
    isTorn = false;
    return true;
  };
  return {
    write: (line) => {
      if (lost > 0) {
        const gap = {
          level: "warn",
          time: new Date(systemClock.nowMs()).toISOString(),
          pid: process.pid,
          lost,
          msg: "lines of the log were lost",
        };
        if (writeWhole(`${JSON.stringify(gap)}\n`)) lost = 0;
      }
      if (lost > 0 || !writeWhole(line)) lost += 1;
    },
  };
}

/** How many bytes were taken, or why none: whatever the system says, the next line may be written again. */
function tryPut(put: (bytes: Uint8Array) => number, bytes: Uint8Array): number | "busy" | "failed" {
  try {
    return put(bytes);
  } catch (caught) {
    return caught instanceof Error && "code" in caught && caught.code === "EAGAIN" ? "busy" : "failed";
  }
}

/** Stops the thread for a moment; returns for how long. */
function pause(): number {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BUSY_PAUSE_MS);
  return BUSY_PAUSE_MS;
}
