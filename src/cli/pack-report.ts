/**
 * What the toolchain found in a pack, as lines: problems with their place, tests, cases, coverage.
 */
import type { PackTestReport } from "../policy/test-pack.ts";
import type { Problem } from "../policy/toolchain.ts";
import type { Terminal } from "./terminal.ts";

/** `file:row:col: message [code]`, as editors read it. */
export function reportProblems(terminal: Terminal, problems: readonly Problem[]): void {
  for (const { file, row, col, message, code } of problems) {
    const place = [file, row, col].filter((part) => part !== undefined).join(":");
    terminal.line(`${terminal.paint("red", place === "" ? "error" : place)}: ${message} [${code}]`);
  }
  terminal.note(`${problems.length} ${problems.length === 1 ? "problem" : "problems"}`);
}

export function reportTests(terminal: Terminal, { tests, cases, coverage }: PackTestReport): void {
  const bad = terminal.paint("red", terminal.symbol("✖", "FAIL"));
  for (const { file, row, name, outcome, message, output } of tests.filter((one) => one.outcome !== "pass")) {
    terminal.line(`${bad} ${file}:${row} ${name}: ${message ?? outcome}`);
    if (output !== undefined && output !== "") terminal.line(`    ${output.trimEnd()}`);
  }
  for (const { file, story, faults } of cases.filter((one) => one.faults.length > 0)) {
    terminal.line(`${bad} ${file}: ${story}`);
    for (const fault of faults) terminal.line(`    ${fault}`);
  }
  for (const [file, { percent, notCovered }] of Object.entries(coverage)) {
    const ranges = notCovered.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`));
    const open = ranges.length === 0 ? "" : `, not covered: lines ${ranges.join(", ")}`;
    terminal.line(terminal.paint("dim", `  ${percent.toFixed(0).padStart(3)} % ${file}${open}`));
  }
  const passedTests = tests.filter(({ outcome }) => outcome === "pass").length;
  const passedCases = cases.filter(({ faults }) => faults.length === 0).length;
  terminal.line(`${passedTests} of ${tests.length} tests, ${passedCases} of ${cases.length} cases passed`);
}
