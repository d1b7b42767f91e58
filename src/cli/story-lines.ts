/**
 * A run's story as lines: one when a step ends, with where its proof is below it; one for the whole.
 *
 * In: stories (run-story.ts). Out: text through the terminal. Not here: events, files.
 */
import { usdText } from "../core/amount.ts";
import { waitLine } from "./approvals.ts";
import { isOverLimit, limitText } from "./limit-text.ts";
import type { RunStory, StepStory } from "./run-story.ts";
import type { Terminal } from "./terminal.ts";
import type { EventView } from "./wire.ts";

/** Events after which a step has something to show. */
const SHOWN: ReadonlySet<string> = new Set([
  "step_succeeded",
  "step_failed",
  "step_retry_scheduled",
  "step_refused",
  "step_skipped",
  "step_cancelled",
  "step_held",
  "approval_granted",
]);

/** Shows what an event brought to its end, if it did. */
export function showEvent(terminal: Terminal, event: EventView, story: RunStory): void {
  if (event.type === "run_paused") terminal.line("  run paused at a breakpoint");
  const step = event.step_id === undefined ? undefined : story.steps.get(event.step_id);
  if (step === undefined || !SHOWN.has(event.type)) return;
  if (event.type === "approval_granted") {
    terminal.line(`  ${terminal.paint("green", terminal.symbol("✔", "done"))} ${step.id} approved`);
    return;
  }
  terminal.line(stepLine(terminal, step));
  // never cut: its end is a command to copy
  if (step.state === "held" && step.approval !== undefined) terminal.write(`      ${waitLine(step.approval)}\n`);
  const proof = proofLine(step);
  if (proof !== "") terminal.line(terminal.paint("dim", `      ${proof}`));
}

/** `✔ fetch_ticket    process  allow       12 ms  $0       namespaces+seccomp+uid` */
export function stepLine(terminal: Terminal, step: StepStory): string {
  const cells = [
    step.id.padEnd(15),
    (step.executor ?? "–").padEnd(8),
    decisionOf(step).padEnd(17),
    (step.attempts === 0 ? "" : `${step.latencyMs} ms`).padStart(8),
    (step.attempts === 0 ? "" : `$${usdText(step.costUsdMicros)}`).padEnd(8),
    aboutOf(step),
  ];
  return `  ${mark(terminal, step)} ${cells.join("  ")}`.trimEnd();
}

function mark(terminal: Terminal, { state, undoes }: StepStory): string {
  if (state === "succeeded" && undoes !== undefined) return terminal.paint("yellow", terminal.symbol("↩", "undo"));
  switch (state) {
    case "succeeded":
      return terminal.paint("green", terminal.symbol("✔", "done"));
    case "failed":
    case "refused":
    case "cancelled":
      return terminal.paint("red", terminal.symbol("✖", "stop"));
    case "skipped":
      return terminal.paint("dim", terminal.symbol("↷", "skip"));
    case "retrying":
      return terminal.paint("yellow", terminal.symbol("↻", "next"));
    default:
      return terminal.paint("yellow", terminal.symbol("…", "wait"));
  }
}

function decisionOf(step: StepStory): string {
  if (step.state === "skipped") return "skipped";
  if (step.state === "retrying") return `failed, try ${step.attempts + 1} next`;
  if (step.state === "failed") return "failed";
  if (step.undoes !== undefined && step.state === "succeeded") return "compensated";
  if (step.decision === "redact")
    return `redact ${step.redacted.length} ${step.redacted.length === 1 ? "path" : "paths"}`;
  return step.decision ?? step.state;
}

function aboutOf(step: StepStory): string {
  const { state, reasons, redacted, isolation, undoes } = step;
  if (state === "refused") return isOverLimit(step.errorKind) ? limitText(step.detail) : reasons.join(", ");
  if (state === "skipped") return reasons.join(", ");
  if (state === "failed" || state === "retrying") return [...new Set([step.errorKind ?? "", ...reasons])].join(": ");
  const parts = [isolation === undefined || isolation === "none" ? "" : `sandbox ${isolation}`];
  if (redacted.length > 0) parts.push(redacted.join(", "));
  if (undoes !== undefined) parts.push(`undoes ${undoes}`);
  return parts.filter((part) => part !== "").join(" · ");
}

/** Ids are whole: they are what a reader looks up. */
function proofLine({ tokens, records }: StepStory): string {
  const token = tokens.at(-1);
  const record = records.at(-1);
  return [
    ...(token === undefined ? [] : [`token ${token}`]),
    ...(record === undefined ? [] : [`record ${record}`]),
  ].join(" · ");
}

/** `run failed · 5 decisions · 9 records · 5 tokens · 4 200 tokens of a model, $0.0004` */
export function endLine(story: RunStory): string {
  const steps = [...story.steps.values()];
  const sum = (count: (step: StepStory) => number) => steps.reduce((total, step) => total + count(step), 0);
  return [
    `run ${story.end ?? "goes on"}`,
    counted(steps.length, "step"),
    counted(
      sum((step) => step.records.length),
      "record",
    ),
    counted(
      sum((step) => step.tokens.length),
      "capability token",
    ),
    `used ${sum((step) => step.costTokens)} tokens, $${usdText(sum((step) => step.costUsdMicros))}`,
  ].join(" · ");
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
