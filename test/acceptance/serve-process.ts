/** `stepgate serve` as a process of its own, on a port that is free; killed when the test ends. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Test } from "tap";

const PROGRAM = fileURLToPath(new URL("../../src/cli/bin.mjs", import.meta.url));

export interface Start {
  readonly child: ChildProcess;
  readonly text: () => string;
  /** With its exit code, or the signal that killed it. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
  /** With its address, or undefined once it has ended. */
  readonly listening: Promise<string | undefined>;
}

/** `flags` are for Node.js. */
export function serve(
  t: Pick<Test, "teardown">,
  env: Readonly<Record<string, string>>,
  flags: readonly string[] = [],
): Start {
  const child = spawn(process.execPath, [...flags, PROGRAM, "serve"], {
    env: { PATH: process.env["PATH"] ?? "", STEPGATE_LISTEN: "127.0.0.1:0", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  const ended = new Promise<number | NodeJS.Signals | null>((resolve) =>
    child.once("close", (code, signal) => resolve(signal ?? code)),
  );
  const listening = new Promise<string | undefined>((resolve) => {
    const take = (bytes: Buffer): void => {
      text += bytes.toString();
      const url = /listening on (\S+)/.exec(text)?.[1];
      if (url !== undefined) resolve(url);
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    void ended.then(() => resolve(undefined));
  });
  t.teardown(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  return { child, text: () => text, ended, listening };
}
