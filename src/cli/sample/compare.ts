/**
 * Holds what happened against what a sample declares: every difference as one line, none when all is as declared.
 *
 * In: the story, the events, what the sample's server received. Out: lines that name paths and states, never values.
 */
import type { RunStory, StepStory } from "../run-story.ts";
import type { SampleFile, StepExpectation } from "./sample-file.ts";

export interface Happened {
  readonly story: RunStory;
  /** Every event as it was read. */
  readonly events: readonly string[];
  readonly received: readonly { readonly body: string }[];
}

export function compare(sample: SampleFile, { story, events, received }: Happened): readonly string[] {
  const differences: string[] = [];
  const differ = (what: string, got: unknown, wanted: unknown): void => {
    const [gotText, wantedText] = [JSON.stringify(got), JSON.stringify(wanted)];
    if (gotText !== wantedText) differences.push(`${what}: got ${gotText ?? "nothing"}, declared ${wantedText}`);
  };
  const bodies = received.map(({ body }) => body);
  differ("run", story.end, sample.status);
  for (const [id, expectation] of sample.expected) {
    const step = story.steps.get(id);
    if (step === undefined) differences.push(`${id}: it has no story`);
    else compareStep(step, expectation, (what, got, wanted) => differ(`${id} ${what}`, got, wanted));
    for (const text of expectation.server_sees ?? []) {
      if (!bodies.some((body) => body.includes(text))) differences.push(`${id}: its text did not reach the server`);
    }
  }
  for (const id of story.steps.keys()) if (!sample.expected.has(id)) differences.push(`${id}: it is not declared`);
  const tokens = [...story.steps.values()].flatMap((step) => step.tokens);
  if (new Set(tokens).size !== tokens.length) differences.push("two attempts had the same token");
  sample.serverNeverSees.forEach((value, at) => {
    if (bodies.some((body) => body.includes(value))) differences.push(`server_never_sees[${at}] reached the server`);
    if (events.some((event) => event.includes(value))) differences.push(`server_never_sees[${at}] stands in an event`);
  });
  return differences;
}

function compareStep(
  step: StepStory,
  expectation: StepExpectation,
  differ: (what: string, got: unknown, wanted: unknown) => void,
): void {
  const got: Readonly<Record<Exclude<keyof StepExpectation, "server_sees">, unknown>> = {
    state: step.state,
    executor: step.executor,
    isolation: step.isolation,
    decision: step.decision,
    redacted: step.redacted,
    attempts: step.attempts,
    error_kind: step.errorKind,
    reasons: step.reasons,
    undoes: step.undoes,
    cost: { tokens: step.costTokens, usd_micros: step.costUsdMicros },
  };
  for (const [name, value] of Object.entries(got)) {
    const wanted = expectation[name as keyof typeof got];
    if (wanted !== undefined) differ(name, value, wanted);
  }
  if (step.state !== "skipped" && step.records.length === 0) differ("records", 0, "at least one");
}
