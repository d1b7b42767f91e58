/**
 * What a sink does with what happens now, in a word or two.
 */
import type { SinkView } from "./wire.ts";

/** `on`, or what keeps its events waiting. */
export function sinkState({ is_paused, is_approved }: Pick<SinkView, "is_paused" | "is_approved">): string {
  const reasons = [...(is_paused ? ["paused"] : []), ...(is_approved ? [] : ["host not approved"])];
  return reasons.length === 0 ? "on" : reasons.join(", ");
}
