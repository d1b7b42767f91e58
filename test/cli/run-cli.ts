/** The command line as a process of its own: what it prints and how it exits. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const BIN = fileURLToPath(new URL("../../src/cli/bin.mjs", import.meta.url));

export interface CliEnd {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs one command to its end, with nothing of our own settings but what is given. */
export function runCli(args: readonly string[], settings: Readonly<Record<string, string>> = {}): Promise<CliEnd> {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("STEPGATE_"));
  const child = spawn(process.execPath, [BIN, ...args], {
    env: { ...Object.fromEntries(inherited), ...settings },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    err += chunk.toString();
  });
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, out, err })));
}
