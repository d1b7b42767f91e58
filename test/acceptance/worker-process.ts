/**
 * A worker in a process of its own, for tests that need several of them or kill one.
 *
 * In: a JSON argument {home, target, env, isPlayed}. Out: `ready` on standard output; it works until its input ends or it is killed.
 * Its executor `sink` appends one line per call to `inputs.effects_file`, with the secrets that it is handed, and hangs on attempts up to `inputs.hang_until`
 * until it is aborted, which is a line too; attempts up to `inputs.fail_until` fail and may be tried again. With `isPlayed`
 * the test says what becomes of each call (played-executor.ts). Its pack holds where `inputs.hold` says so, and stops the
 * process (SIGSTOP) the first time that it decides on a step with `inputs.stop_once`, a file that it makes then.
 */
import { appendFileSync, existsSync, writeFileSync } from "node:fs";
import { loadConfig } from "../../src/config/load-config.ts";
import { isJsonObject } from "../../src/core/json.ts";
import type { ExecutionContext, ExecutorResult } from "../../src/executors/contract.ts";
import { PROCESS_SECRETS } from "../../src/executors/process/secret-env.ts";
import { startStepgate } from "../../src/main.ts";
import type { DatabaseTarget } from "../../src/storage/pool.ts";
import { makeLog } from "../../src/telemetry/logger.ts";
import { holdUntilApproved } from "./approval-desk.ts";
import { makePlayedExecutor, playedTypes, tellingOf } from "./played-executor.ts";
import { type Decide, done, failure, makeSink, packOf, redactCard } from "./rig.ts";

interface Arguments {
  readonly home: string;
  readonly target: DatabaseTarget;
  readonly env: Readonly<Record<string, string>>;
  readonly isPlayed: boolean;
}

// written by workers.ts in exactly this form
const { home, target, env, isPlayed } = JSON.parse(process.argv[2] ?? "") as Arguments;

function perform(
  { spec, stepId, attempt, runUid, secrets }: ExecutionContext,
  _call: number,
  signal: AbortSignal,
): Promise<ExecutorResult> | ExecutorResult {
  const { effects_file: effectsFile, hang_until: hangUntil, fail_until: failUntil, tokens } = spec.inputs;
  const note = (what: string): void => {
    if (typeof effectsFile === "string")
      appendFileSync(effectsFile, `${process.pid} ${runUid} ${stepId} ${attempt}${what}\n`);
  };
  const end = (): ExecutorResult =>
    done({ step: stepId }, { tokens: typeof tokens === "number" ? tokens : 0, usdMicros: 0 });
  note(secrets.map(({ name, value }) => ` ${name}=${value}`).join(""));
  if (typeof failUntil === "number" && attempt <= failUntil) return failure();
  if (typeof hangUntil !== "number" || attempt > hangUntil) return end();
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => {
      note(" aborted");
      // too late: a result that must count for nothing
      resolve(end());
    });
  });
}

const decide: Decide = (input) => {
  const inputs = isJsonObject(input["inputs"]) ? input["inputs"] : {};
  const { hold, stop_once: mark } = inputs;
  if (typeof mark === "string" && !existsSync(mark)) {
    writeFileSync(mark, "");
    process.kill(process.pid, "SIGSTOP");
  }
  return hold === true ? holdUntilApproved(input) : redactCard(input);
};

const loaded = loadConfig({
  STEPGATE_HOME: home,
  STEPGATE_ROLE: "worker",
  STEPGATE_RETRY_JITTER_PPM: "0",
  STEPGATE_DRAIN_MS: "2000",
  ...env,
});
if (!loaded.ok) throw new TypeError(JSON.stringify(loaded.faults));
const stepgate = await startStepgate({
  config: loaded.config,
  log: makeLog({ level: "error" }),
  onProgress: () => undefined,
  parts: {
    packs: new Map([["runtime", packOf("runtime", isPlayed ? tellingOf(decide) : decide)]]),
    adapters: isPlayed
      ? playedTypes(makeSink(makePlayedExecutor()))
      : [{ ...makeSink(perform).adapter, secrets: PROCESS_SECRETS }],
    database: target,
  },
});
process.stdout.write("ready\n");
process.stdin.resume();
process.stdin.once("end", () => void stepgate.stop().then(() => process.exit(0)));
