/** Clock, ids and randomness that repeat: the same seed gives the same bytes. */
import { createHash } from "node:crypto";
import type { Clock } from "../../src/core/clock.ts";
import type { Ids } from "../../src/core/ids.ts";

export const NOW_MS = Date.UTC(2026, 10, 21, 12);

export const fixedClock = (nowMs = NOW_MS): Clock => ({ nowMs: () => nowMs, monotonicMs: () => 0 });

export function seededIds(seed: string): Ids {
  let draws = 0;
  let uuids = 0;
  return {
    uuid: () => `01990000-0000-7000-8000-${String(++uuids).padStart(12, "0")}`,
    random: (size) => {
      const parts: Buffer[] = [];
      for (let length = 0; length < size; length += 32) {
        parts.push(createHash("sha256").update(`${seed}/${++draws}`).digest());
      }
      return Buffer.concat(parts).subarray(0, size);
    },
  };
}
