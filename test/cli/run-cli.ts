/** One command of the command line: what it prints and how it exits. */
import { runCommand } from "../../src/cli/cli.ts";
import { capture } from "./captured.ts";

export interface CliEnd {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs one command to its end, with the given settings alone. */
export async function runCli(
  args: readonly string[],
  settings: Readonly<Record<string, string>> = {},
): Promise<CliEnd> {
  const seen = capture(settings);
  const code = await runCommand(args, seen.around);
  return { code, out: seen.out(), err: seen.err() };
}
