/**
 * Reads TAP (testanything.org, version 14) and shows a line per test file, every failure in full, and the sum last.
 *
 *   … | node .ci/count.ts [failed checks]
 *
 * The last line is `N passed, N failed`. Assertions of subtests count, the lines that sum them up do not. Exit 1 unless
 * all passed and the input ends with `# exit 0`.
 */
import { createInterface } from "node:readline";

const RESULT = /^( *)(not )?ok\b(?: \d+)?(?: - )?(.*)$/;
const DIRECTIVE = / # (SKIP|TODO)\b/i;

export interface Counts {
  readonly passed: number;
  readonly failed: number;
}

/** Makes a counter: it is given line after line, and shows what people want to see. */
export function makeCounter(show: (line: string) => void) {
  let [passed, failed] = [0, 0];
  let exitCode: number | undefined;
  let names: readonly { readonly indent: number; readonly name: string }[] = [];
  /** Indents of results that no line has summed up yet. */
  let open: readonly number[] = [];
  let isShowing = false;

  const result = (indent: number, isBad: boolean, text: string): void => {
    const isBuffered = text.endsWith("{");
    const isSum = isBuffered || open.some((depth) => depth > indent);
    open = [...new Set([...open.filter((depth) => depth <= indent), ...(isBuffered ? [] : [indent])])];
    const parents = names.filter((one) => one.indent < indent).map(({ name }) => name);
    if (!isSum && !DIRECTIVE.test(text)) {
      if (isBad) failed += 1;
      else passed += 1;
    }
    isShowing = isBad && !isSum;
    if (isShowing) show(`FAIL  ${[...parents, text].join(" > ")}`);
    else if (indent === 0) show(`${isBad ? "FAIL" : "ok  "}  ${text.replace(/ # time=/, "  ").replace(/ *\{$/, "")}`);
  };

  return {
    read: (line: string): void => {
      const [, spaces = "", not, text = ""] = RESULT.exec(line) ?? [];
      const subtest = /^( *)# Subtest: (.*)$/.exec(line);
      const indent = spaces.length;
      if (RESULT.test(line)) {
        result(indent, not !== undefined, text);
        return;
      }
      if (subtest !== null) {
        const depth = (subtest[1] ?? "").length;
        names = [...names.filter((one) => one.indent < depth), { indent: depth, name: subtest[2] ?? "" }];
        isShowing = false;
      }
      const exit = /^# exit (\d+)$/.exec(line);
      if (exit !== null) exitCode = Number(exit[1]);
      if (/^ *Bail out!/.test(line)) show(line.trim());
      // what follows a failure up to its end: the difference, the place
      if (isShowing && line.trim() !== "") show(`      ${line.trimEnd()}`);
      if (/^ *\.\.\.$/.test(line)) isShowing = false;
    },
    /** A run that broke off, or counted nothing, has failed whatever its lines say. */
    end: (failedChecks: number): Counts => {
      const isBroken = (exitCode !== 0 && failed === 0) || passed === 0;
      return { passed, failed: failed + failedChecks + (isBroken ? 1 : 0) };
    },
  };
}

if (import.meta.main) {
  const counter = makeCounter((line) => console.log(line));
  for await (const line of createInterface({ input: process.stdin })) counter.read(line);
  const { passed, failed } = counter.end(Number(process.argv[2] ?? "0"));
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}
