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
    uuid: () => {
      const hex = createHash("sha256").update(`${seed}/uuid/${++uuids}`).digest("hex");
      return `01990000-${hex.slice(0, 4)}-7${hex.slice(4, 7)}-8${hex.slice(7, 10)}-${hex.slice(10, 22)}`;
    },
    random: (size) => {
      const parts: Buffer[] = [];
      for (let length = 0; length < size; length += 32) {
        parts.push(createHash("sha256").update(`${seed}/${++draws}`).digest());
      }
      return Buffer.concat(parts).subarray(0, size);
    },
  };
}
