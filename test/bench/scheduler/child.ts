/**
 * A process that is measured: it says `ready`, works, and answers each line on its input with one line of JSON.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export interface Child {
  /** Sends a line and waits for the answer. */
  readonly ask: (line: string) => Promise<ChildReport>;
  /** Ends its input and waits for its end. */
  readonly stop: () => Promise<void>;
}

/** What a child says of itself: processor time since its start, and a table of stages if it was asked for one. */
export interface ChildReport {
  readonly cpuUs: number;
  readonly stages?: Readonly<Record<string, number>>;
}

/** Starts `program` (a file of this folder) with one JSON argument and waits until it is ready. */
export async function startChild(program: string, argument: object, execArgv: readonly string[] = []): Promise<Child> {
  const path = fileURLToPath(new URL(program, import.meta.url));
  const child = spawn(process.execPath, [...execArgv, path, JSON.stringify(argument)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("exit", () => process.off("exit", kill));
  const lines = createInterface({ input: child.stdout });
  const answers: ((line: string) => void)[] = [];
  lines.on("line", (line) => answers.shift()?.(line));
  const ended = endOf(child);
  const next = (): Promise<string> =>
    Promise.race([
      new Promise<string>((resolve) => answers.push(resolve)),
      ended.then((code) => {
        throw new TypeError(`${program} ended with ${code}`);
      }),
    ]);
  // what it logs comes on the same output
  while ((await next()) !== "ready");
  return {
    ask: async (line) => {
      const answer = next();
      child.stdin.write(`${line}\n`);
      // both ends are of this folder
      return JSON.parse(await answer) as ChildReport;
    },
    stop: async () => {
      child.stdin.end();
      await ended;
    },
  };
}

async function endOf(child: ChildProcess): Promise<number | string> {
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
  return code ?? signal ?? "nothing";
}
