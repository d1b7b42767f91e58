/**
 * Where the command line writes: text for people or JSON for programs, colours only where somebody sees them.
 *
 * In: streams and environment. Out: `Terminal`. Not here: what is written.
 */
import { styleText } from "node:util";

type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

export interface Terminal {
  /** One line to standard output, cut to the width on a terminal. */
  readonly line: (text: string) => void;
  /** Text to standard output as it is. */
  readonly write: (text: string) => void;
  /** One line to standard error. */
  readonly note: (text: string) => void;
  readonly paint: (style: Style, text: string) => string;
  /** The symbol, or its plain word where no terminal shows it. */
  readonly symbol: (symbol: string, word: string) => string;
}

interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly write: (text: string) => unknown;
}

export interface TerminalInput {
  readonly out: Output;
  readonly err: Output;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const ESCAPE = String.fromCharCode(27);
const STYLE_CODES = new RegExp(`${ESCAPE}\\[[0-9;]*m`, "y");
/** Control characters of data that others chose must not steer a terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const CONTROLS = /[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f]/g;

/** Makes the terminal; NO_COLOR (no-color.org), TERM=dumb and pipes mean plain text. */
export function makeTerminal({ out, err, environment }: TerminalInput): Terminal {
  const isShown = out.isTTY === true && environment["TERM"] !== "dumb";
  const hasColour = isShown && (environment["NO_COLOR"] ?? "") === "";
  return {
    line: (text) => {
      const clean = text.replaceAll(CONTROLS, "�");
      out.write(`${isShown ? cut(clean, out.columns ?? 80) : clean}\n`);
    },
    write: (text) => {
      out.write(text);
    },
    note: (text) => {
      err.write(`${text.replaceAll(CONTROLS, "�")}\n`);
    },
    paint: (style, text) => (hasColour ? styleText(style, text, { validateStream: false }) : text),
    symbol: (symbol, word) => (isShown ? symbol : word),
  };
}

/** The first `width` characters, an ellipsis for what is left out; styles count nothing and are closed. */
function cut(text: string, width: number): string {
  let shown = 0;
  let hasStyle = false;
  for (let index = 0; index < text.length; ) {
    STYLE_CODES.lastIndex = index;
    const style = STYLE_CODES.exec(text);
    if (style !== null) {
      index += style[0].length;
      hasStyle = true;
      continue;
    }
    if (shown === width - 1 && plainLength(text.slice(index)) > 1) {
      return `${text.slice(0, index)}…${hasStyle ? `${ESCAPE}[0m` : ""}`;
    }
    shown += 1;
    index += 1;
  }
  return text;
}

function plainLength(text: string): number {
  return text.replaceAll(new RegExp(STYLE_CODES.source, "g"), "").length;
}

/** Columns of a table, padded; the last one is not. */
export function alignColumns(rows: readonly (readonly string[])[]): readonly string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, plainLength(cell));
  }
  return rows.map((row) =>
    row
      .map((cell, at) => (at === row.length - 1 ? cell : cell + " ".repeat((widths[at] ?? 0) - plainLength(cell))))
      .join("  ")
      .trimEnd(),
  );
}
