/**
 * A verifier's report for people: what was checked, what failed first, and what it comes to.
 */
import { CHECKS, type Check } from "../evidence/checks.ts";
import type { VerifyReport } from "../evidence/verify-bundle.ts";
import type { Terminal } from "./terminal.ts";

export interface ReportOptions {
  /** Every check in full; without it those that hold stand together by their codes. */
  readonly isWhole: boolean;
}

export function reportVerification(
  terminal: Terminal,
  { status, checks, summary }: VerifyReport,
  { isWhole }: ReportOptions,
): void {
  const { records, batches, seals, artifacts, events } = summary;
  const held = checks.filter(({ verdict }) => verdict === "ok");
  if (!isWhole && held.length > 0) {
    terminal.line(`${terminal.paint("green", terminal.symbol("✔", "ok"))} ${held.length} checks hold`);
    for (const line of wrap(held.map(({ code }) => code))) terminal.line(terminal.paint("dim", `    ${line}`));
  }
  for (const check of checks) if (isWhole || check.verdict !== "ok") terminal.line(lineOf(terminal, check));
  const sizes = `${records} records, ${batches} batches, ${seals} seal, ${artifacts} artifacts, ${events} events`;
  if (status === "ok")
    terminal.line(`${terminal.paint("green", "verified")}: ${sizes}: all signatures good, nothing missing`);
  if (status === "failed") terminal.line(`${terminal.paint("red", "FAILED")}: ${sizes}: this evidence does not hold`);
  if (status === "not_established")
    terminal.line(`${terminal.paint("yellow", "not established")}: ${sizes}: give a valid --trust file`);
  if (summary.root !== undefined)
    terminal.line(terminal.paint("dim", `root ${summary.root} · instance ${summary.instance}`));
}

function lineOf(terminal: Terminal, { code, verdict, detail }: Check): string {
  const about = Object.entries(detail)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");
  const words = `${CHECKS[code]}${about === "" ? "" : ` (${about})`}`;
  if (verdict === "ok") return `${terminal.paint("green", terminal.symbol("✔", "ok  "))} ${words}`;
  if (verdict === "failed") return `${terminal.paint("red", terminal.symbol("✖", "FAIL"))} ${words} [${code}]`;
  return `${terminal.paint("yellow", terminal.symbol("?", "open"))} ${words} [${code}]`;
}

const WRAP_COLUMNS = 74;

/** Words in lines of at most 74 characters. */
function wrap(words: readonly string[]): readonly string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length + 2 > WRAP_COLUMNS) lines.push(word);
    else lines[lines.length - 1] = `${last}, ${word}`;
  }
  return lines;
}
