/** A terminal that keeps what it is given, and the surroundings of a command around it. */

import type { ExitCode, Surroundings } from "../../src/cli/surroundings.ts";
import { makeTerminal } from "../../src/cli/terminal.ts";
import type { Environment } from "../../src/config/load-config.ts";

export interface Captured {
  readonly around: Surroundings;
  readonly out: () => string;
  readonly err: () => string;
  readonly exitCode: () => ExitCode | undefined;
}

export function capture(environment: Environment = {}, columns?: number): Captured {
  let [out, err] = ["", ""];
  let exitCode: ExitCode | undefined;
  const terminal = makeTerminal({
    out: {
      isTTY: columns !== undefined,
      ...(columns === undefined ? {} : { columns }),
      write: (text) => {
        out += text;
      },
    },
    err: {
      write: (text) => {
        err += text;
      },
    },
    environment: {},
  });
  return {
    around: {
      terminal,
      environment,
      interrupted: new AbortController().signal,
      readInput: async () => undefined,
      onLookAgain: () => () => undefined,
      exitWith: (code) => {
        exitCode = code;
      },
    },
    out: () => out,
    err: () => err,
    exitCode: () => exitCode,
  };
}
