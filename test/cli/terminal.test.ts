import t from "tap";
import { alignColumns, makeTerminal } from "../../src/cli/terminal.ts";
import { capture } from "./captured.ts";

const ESCAPE = String.fromCharCode(27);

t.test("a line is cut to the width of a terminal and left whole in a pipe", async (t) => {
  const shown = capture({}, 10);
  shown.around.terminal.line("0123456789");
  shown.around.terminal.line("0123456789x");
  t.equal(shown.out(), "0123456789\n012345678…\n");
  const piped = capture();
  piped.around.terminal.line("0123456789x");
  t.equal(piped.out(), "0123456789x\n");
});

t.test("styles take no room, and a line that is cut ends them", async (t) => {
  const shown = capture({}, 6);
  const { terminal } = shown.around;
  terminal.line(terminal.paint("red", "abcdef"));
  terminal.line(terminal.paint("red", "abcdefg"));
  const [whole, cut] = shown.out().split("\n");
  t.match(whole, "abcdef");
  t.equal(cut, `${ESCAPE}[31mabcde…${ESCAPE}[0m`);
});

t.test("no colour where nobody sees it or nobody wants it", async (t) => {
  const paint = (isTTY: boolean, environment: Record<string, string>) =>
    makeTerminal({ out: { isTTY, write: () => 0 }, err: { write: () => 0 }, environment }).paint("red", "x");
  t.equal(paint(false, {}), "x", "a pipe");
  t.equal(paint(true, { NO_COLOR: "1" }), "x", "NO_COLOR");
  t.equal(paint(true, { TERM: "dumb" }), "x", "a terminal without them");
  t.equal(paint(true, { NO_COLOR: "" }), `${ESCAPE}[31mx${ESCAPE}[39m`, "an empty NO_COLOR says nothing");
});

t.test("control characters of others never reach the terminal", async (t) => {
  const shown = capture();
  shown.around.terminal.line("a\u0000\u0007b\rc\u009b31m");
  shown.around.terminal.note("d\bhidden");
  t.equal(shown.out(), "a��b�c�31m\n");
  t.equal(shown.err(), "d�hidden\n");
});

t.test("columns are aligned by what is seen", async (t) => {
  t.strictSame(
    alignColumns([
      ["a", "bb", "c"],
      ["aaa", `${ESCAPE}[31mb${ESCAPE}[39m`, ""],
    ]),
    ["a    bb  c", `aaa  ${ESCAPE}[31mb${ESCAPE}[39m`],
  );
});
