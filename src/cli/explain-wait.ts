/**
 * Why a step waits, in a line for each reason and what to do about it (spec 02, queue operations).
 */
import type { Terminal } from "./terminal.ts";
import type { WaitView } from "./wire.ts";

type Wait = WaitView["waits"][number];

const steps = (wait: Wait): string => (wait.steps ?? []).join(", ");
const name = ({ of }: Wait): string => (of === undefined ? "" : ` (${of})`);
const until = (wait: Wait): string => (wait.until === undefined ? "" : `, until ${wait.until}`);

const TEXTS: Readonly<Record<string, (wait: Wait) => string>> = {
  dependency: (wait) => `for ${steps(wait)}, which it depends on`,
  compensation: (wait) => `undoes ${steps(wait)}, if that is ever to be undone`,
  approval: ({ approval_id: id }) => `for an approval${id === undefined ? "" : `: npx stepgate approval show ${id}`}`,
  run_paused: () => "the run is paused: npx stepgate run resume <run>",
  breakpoint: (wait) => `the run is paused at the breakpoint of ${steps(wait)}: npx stepgate run resume <run>`,
  run_cancelling: () => "the run is being cancelled",
  tenant_paused: () => "the tenant is paused: npx stepgate queue resume",
  type_paused: () => "steps of its type are paused: npx stepgate queue resume <type>",
  no_worker: () => "no living worker serves its type",
  max_parallel: ({ count = 0 }) => `the run has ${count} steps in work, as many as it may`,
  retry: (wait) => `for its next attempt${until(wait)}`,
  quota: (wait) => `a quota${name(wait)} is used up${until(wait)}`,
  pressure: (wait) => `the worker has as much in flight as it may${until(wait)}`,
  concurrency_key: (wait) => `others of its concurrency key${name(wait)} run${until(wait)}`,
  not_before: (wait) => `is not looked at${until(wait)}`,
  waiting: () => "for a child run, a signal or a timer",
  rank: ({ count = 0 }) => (count === 0 ? "it is next" : `${count} steps of the tenant go first`),
};

/** One line for each reason; a reason that only a newer gateway knows is shown by its name. */
export function showWaits(terminal: Terminal, { waits }: WaitView): void {
  for (const wait of waits) {
    const text = TEXTS[wait.reason];
    terminal.line(`  waits     ${text === undefined ? wait.reason : text(wait)}`);
  }
}
