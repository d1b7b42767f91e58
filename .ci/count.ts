/**
 * Counts the assertions of a TAP file (testanything.org, version 14) and prints `N passed, N failed` as the last line.
 *
 *   node .ci/count.ts <tap file> <exit code of the tests> <failed checks>
 *
 * Subtests are counted by their own assertions, not again by the line that sums them up. Exit 1 unless all passed.
 */
import { readFile } from "node:fs/promises";

/** Passed and failed assertions. A line sums up a subtest that stands before it, deeper, or after it in `{ }`. */
export function countTap(text: string): { readonly passed: number; readonly failed: number } {
  let passed = 0;
  let failed = 0;
  /** Indents at which assertions of a subtest stand that no line has summed up yet. */
  let open: number[] = [];
  for (const line of text.split("\n")) {
    const match = /^( *)(not )?ok\b(?:.*?# (SKIP|TODO))?/i.exec(line);
    if (line === `${" ".repeat(line.length - 1)}}`) open = open.filter((depth) => depth < line.length);
    if (match === null) continue;
    const [, indent = "", not, directive] = match;
    const isSum = line.endsWith("{") || open.some((depth) => depth > indent.length);
    open = open.filter((depth) => depth <= indent.length);
    if (!line.endsWith("{") && !open.includes(indent.length)) open.push(indent.length);
    if (isSum || directive !== undefined) continue;
    if (not === undefined) passed += 1;
    else failed += 1;
  }
  return { passed, failed };
}

if (import.meta.main) {
  const [file = "", testExit = "1", faults = "0"] = process.argv.slice(2);
  const counts = countTap(await readFile(file, "utf8"));
  // a file that broke off, or a run that counted nothing, has failed whatever its lines say
  const isBroken = (testExit !== "0" && counts.failed === 0) || counts.passed === 0;
  const failed = counts.failed + Number(faults) + (isBroken ? 1 : 0);
  console.log(`${counts.passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}
