/**
 * Why a step waits, in a line for each reason, and what to do about it (spec 02, queue operations).
 *
 * In: reasons as the API gives them, and the step they are of. Out: lines, then commands to copy.
 */
import type { CommandFor } from "./target-options.ts";
import type { Terminal } from "./terminal.ts";
import type { WaitView } from "./wire.ts";

type Wait = WaitView["waits"][number];

/** The step that waits. */
export interface WaitingStep {
  readonly run: string;
  readonly type: string;
  readonly command: CommandFor;
}

interface Explained {
  readonly text: string;
  /** What is typed next, after `npx stepgate`. */
  readonly next?: string;
}

const steps = (wait: Wait): string => (wait.steps ?? []).join(", ");
const name = ({ of }: Wait): string => (of === undefined ? "" : ` ${of}`);
const until = (wait: Wait): string => (wait.until === undefined ? "" : `, until ${wait.until}`);
const again = (wait: Wait): string => (wait.until === undefined ? "" : `, and is looked at again by ${wait.until}`);

function whyOfFirst(wait: Wait, { run }: WaitingStep): { readonly next?: string } {
  const first = wait.steps?.[0];
  return first === undefined ? {} : { next: `run get ${run} --why ${first}` };
}

const EXPLANATIONS: Readonly<Record<string, (wait: Wait, step: WaitingStep) => Explained>> = {
  dependency: (wait, step) => ({ text: `for ${steps(wait)}, which it depends on`, ...whyOfFirst(wait, step) }),
  compensation: (wait) => ({ text: `undoes ${steps(wait)}, if that is to be undone` }),
  compensation_turn: (wait, step) => ({ text: `for ${steps(wait)}, which must end before`, ...whyOfFirst(wait, step) }),
  approval: ({ approval_id: id }) => ({
    text: "for an approval",
    next: id === undefined ? "approval list" : `approval show ${id}`,
  }),
  run_paused: (_, { run }) => ({ text: "the run is paused", next: `run resume ${run}` }),
  breakpoint: (wait, { run }) => ({
    text: `the run is paused at the breakpoint of ${steps(wait)}`,
    next: `run resume ${run}`,
  }),
  run_cancelling: (_, { run }) => ({ text: "the run is being cancelled", next: `run watch ${run}` }),
  tenant_paused: () => ({ text: "the tenant is paused", next: "queue resume" }),
  type_paused: (_, { type }) => ({ text: `steps of type ${type} are paused`, next: `queue resume ${type}` }),
  no_worker: (_, { type }) => ({
    text: `no living worker serves type ${type}: start one, STEPGATE_ROLE=worker or all`,
    next: "queue show",
  }),
  max_parallel: ({ count = 0 }, { run }) => ({
    text: `the run has ${count} steps in work, as many as its max_parallel lets it`,
    next: `run get ${run}`,
  }),
  retry: (wait, { run }) => ({ text: `for its next attempt${until(wait)}; to give up`, next: `run cancel ${run}` }),
  quota: (wait) => ({ text: `the quota${name(wait)} leaves no room for it${again(wait)}`, next: "quota list" }),
  pressure: (wait) => ({
    text: `its worker has as much in flight as STEPGATE_MAX_IN_FLIGHT_TOKENS and _USD let it${again(wait)}`,
    next: "queue show",
  }),
  concurrency_key: (wait) => ({
    text: `as many steps of the concurrency key${name(wait)} run as the tenant's concurrency_limits let${again(wait)}`,
    next: "queue show",
  }),
  not_before: (wait) => ({ text: `it was put back${until(wait)}` }),
  waiting: () => ({ text: "for a child run, a signal or a timer" }),
  alone: () => ({ text: "it was lost with its worker: it runs alone, when a worker has nothing else in hand" }),
  rank: ({ count = 0 }) => ({ text: rankText(count), next: "queue show" }),
};

function rankText(count: number): string {
  if (count === 0) return "it is the next of its tenant: for a worker with room, and its tenant's turn";
  return count === 1 ? "1 step of the tenant goes first" : `${count} steps of the tenant go first`;
}

/** One line for each reason, then what to do next; a reason that only a newer gateway knows is shown by its name. */
export function showWaits(terminal: Terminal, view: WaitView, step: WaitingStep): void {
  const { waits, worker, started_at: startedAt } = view;
  if (startedAt !== undefined) terminal.line(`  runs      since ${startedAt}, in the hands of ${worker ?? "a worker"}`);
  // that it would be next says nothing while something else stands against it
  const told = waits.filter(({ reason, count }) => waits.length === 1 || reason !== "rank" || count !== 0);
  const explained = told.map((wait): Explained => EXPLANATIONS[wait.reason]?.(wait, step) ?? { text: wait.reason });
  for (const { text } of explained) terminal.line(`  waits     ${text}`);
  const commands = new Set(explained.flatMap(({ next }) => (next === undefined ? [] : [step.command(next)])));
  // never cut: commands to copy
  for (const command of commands) terminal.write(`  next      ${command}\n`);
}
