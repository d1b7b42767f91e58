/**
 * Stage 4, pressure: this worker's in-flight ceilings for tokens and money (spec 01, spec 03).
 *
 * Goes on holding its share, or defers. Comes before the decisions, so that a step is decided on shortly before it runs.
 */
import type { Amount } from "../core/amount.ts";
import { StepgateError } from "../core/errors.ts";
import { goOn, type Stage } from "./context.ts";
import type { InFlight } from "./ports.ts";

export function makePressure({ inFlight, delayMs }: { readonly inFlight: InFlight; readonly delayMs: number }): Stage {
  return async (context) => {
    const release = inFlight.take(context.request);
    if (release === undefined) return { kind: "defer", context, delayMs, reason: "backpressure" };
    if (typeof release !== "function") throw new StepgateError("ANSWER_MALFORMED", { part: "in_flight" });
    return goOn({ ...context, releaseInFlight: release });
  };
}

export interface Ceilings {
  /** Undefined = no ceiling. */
  readonly maxTokens: number | undefined;
  readonly maxUsdMicros: number | undefined;
}

/**
 * Counts what this worker has in flight against its ceilings; the release works once.
 *
 * A request of zero never waits. One above a ceiling alone runs when nothing else is in flight, else it would never run.
 */
export function makeInFlight(ceilings: Ceilings): InFlight {
  let tokens = 0;
  let usdMicros = 0;
  const fits = (held: number, wanted: number, ceiling: number | undefined): boolean =>
    ceiling === undefined || wanted === 0 || held === 0 || held + wanted <= ceiling;
  return {
    take: (request: Amount) => {
      if (
        !fits(tokens, request.tokens, ceilings.maxTokens) ||
        !fits(usdMicros, request.usdMicros, ceilings.maxUsdMicros)
      ) {
        return undefined;
      }
      tokens += request.tokens;
      usdMicros += request.usdMicros;
      let isHeld = true;
      return () => {
        if (!isHeld) return;
        isHeld = false;
        tokens -= request.tokens;
        usdMicros -= request.usdMicros;
      };
    },
  };
}
