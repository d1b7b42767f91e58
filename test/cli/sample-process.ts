/** The sample as `npm start -- --demo-only` runs it, in a process of its own. */
import { spawn } from "node:child_process";

export const SAMPLE_ARGS = ["serve", "--demo", "--demo-only"] as const;

export interface SampleEnd {
  readonly code: number | null;
  /** Both streams. */
  readonly printed: string;
}

/** Runs a command that ends in `SAMPLE_ARGS` to its end, with the given home and no other setting. */
export async function runSampleProcess(
  command: string,
  args: readonly string[],
  { home, env }: { readonly home: string; readonly env: NodeJS.ProcessEnv },
): Promise<SampleEnd> {
  const child = spawn(command, args, {
    env: { ...env, STEPGATE_HOME: home, STEPGATE_LISTEN: "127.0.0.1:0", NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      printed += chunk.toString();
    });
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, printed };
}
