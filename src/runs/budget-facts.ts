/**
 * A run's budget as its log tells it: limits of the submission, what starts reserved and ends used (spec 03).
 *
 * In: the events of a run, in order. Out: the columns of its budget row, or nothing for a run that has none.
 */
import type { Amount } from "../core/amount.ts";
import type { RunEvent } from "../core/event.ts";
import type { StepId } from "../core/ids.ts";
import { isJsonObject } from "../core/json.ts";
import { actualOf, amountOf } from "./step-facts.ts";

interface Side {
  readonly limit: number | undefined;
  readonly used: number;
  readonly reserved: number;
  readonly overrun: number;
}

/** None, or one row. Overruns only grow, as in the transactions that made them. */
export function projectBudget(events: Iterable<RunEvent>): readonly Readonly<Record<string, number | undefined>>[] {
  const open = new Map<StepId, Amount>();
  let tokens: Side | undefined;
  let usdMicros: Side | undefined;
  for (const event of events) {
    if (event.type === "run_submitted") {
      const { budget } = event.data;
      if (!isJsonObject(budget)) return [];
      tokens = emptySide(budget["tokens"]);
      usdMicros = emptySide(budget["usd_micros"]);
    }
    if (event.stepId === undefined || tokens === undefined || usdMicros === undefined) continue;
    const held = open.get(event.stepId);
    if (event.type === "step_started") {
      const reserved = amountOf(event.data["reserved"]);
      open.set(event.stepId, reserved);
      tokens = changed(tokens, { reserved: reserved.tokens, used: 0 });
      usdMicros = changed(usdMicros, { reserved: reserved.usdMicros, used: 0 });
    } else if (held !== undefined && isJsonObject(event.data["budget"])) {
      const actual = actualOf(event);
      open.delete(event.stepId);
      tokens = changed(tokens, { reserved: -held.tokens, used: actual.tokens });
      usdMicros = changed(usdMicros, { reserved: -held.usdMicros, used: actual.usdMicros });
    }
  }
  if (tokens === undefined || usdMicros === undefined) return [];
  return [{ ...columns("tokens", tokens), ...columns("usd_micros", usdMicros) }];
}

function emptySide(limit: unknown): Side {
  return { limit: typeof limit === "number" ? limit : undefined, used: 0, reserved: 0, overrun: 0 };
}

function changed(side: Side, by: { readonly reserved: number; readonly used: number }): Side {
  const used = side.used + by.used;
  const reserved = side.reserved + by.reserved;
  const overrun = side.limit === undefined ? 0 : Math.max(side.overrun, used + reserved - side.limit);
  return { limit: side.limit, used, reserved, overrun };
}

function columns(unit: string, { limit, used, reserved, overrun }: Side): Readonly<Record<string, number | undefined>> {
  return {
    [`${unit}_limit`]: limit,
    [`${unit}_used`]: used,
    [`${unit}_reserved`]: reserved,
    [`${unit}_overrun`]: overrun,
  };
}
