/** One command of the command line: what it prints and how it exits. */
import { runCommand } from "../../src/cli/cli.ts";
import { capture } from "./captured.ts";

export interface CliEnd {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs one command to its end, with the given settings alone; `input` is what is piped in, without it there is a terminal. */
export async function runCli(
  args: readonly string[],
  settings: Readonly<Record<string, string>> = {},
  input?: string | Uint8Array,
): Promise<CliEnd> {
  const seen = capture(settings);
  const readInput = async () => (input === undefined ? undefined : Buffer.from(input));
  const code = await runCommand(args, { ...seen.around, readInput });
  return { code, out: seen.out(), err: seen.err() };
}
