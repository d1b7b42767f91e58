/**
 * Whom packs want told of a step: the sinks that their `notify` obligations name (spec 04), whatever events those ask for.
 *
 * In: obligations and the tenant's sinks. Out: names, as the step's event carries them. Not here: telling them (sinks/).
 */
import type { Evaluation, Obligation } from "../core/decision.ts";
import type { JsonObject } from "../core/json.ts";
import type { StepContext } from "./context.ts";

function namesOf(obligations: readonly Obligation[]): readonly string[] {
  return obligations.flatMap(({ type, properties }) => {
    const { sink } = properties;
    return type === "notify" && typeof sink === "string" ? [sink] : [];
  });
}

/** Tells whether somebody is to be told whom the tenant does not have. */
export function hasUnknownSink(obligations: readonly Obligation[], { authority }: StepContext): boolean {
  return namesOf(obligations).some((name) => !authority.sinks.includes(name));
}

/** The member of a step's event that says who is told of it; none where nobody is. An unknown name is a pack's text, not a name. */
export function notifyMember(evaluations: readonly Evaluation[], { authority }: StepContext): JsonObject {
  const names = new Set(evaluations.flatMap(({ obligations }) => namesOf(obligations)));
  const notify = authority.sinks.filter((name) => names.has(name));
  return notify.length === 0 ? {} : { notify };
}
