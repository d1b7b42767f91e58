/**
 * The sample run, through the API alone: sets what it needs, submits, shows each step live, exports and verifies the
 * evidence, and holds everything against what the sample declares.
 *
 * In: the API, the home folder. Out: shown on the terminal; whether all was as declared. Not here: starting the gateway.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../../core/clock.ts";
import { isAtLeast } from "../../core/isolation.ts";
import type { JsonObject } from "../../core/json.ts";
import { verifyBundle } from "../../evidence/verify-bundle.ts";
import type { Api } from "../api.ts";
import { followRun } from "../follow-run.ts";
import { shownPath } from "../shown-path.ts";
import { endLine, showEvent } from "../story-lines.ts";
import type { Surroundings } from "../surroundings.ts";
import { reportVerification } from "../verify-report.ts";
import { AnyJson, ExecutorPage, RunView } from "../wire.ts";
import { compare } from "./compare.ts";
import { makeSampleValues } from "./random-values.ts";
import { readSample, type SampleFile } from "./sample-file.ts";
import { startSampleServer } from "./sample-server.ts";

const SAMPLE = new URL("../../../policies/examples/support-triage.json", import.meta.url);
/** Below this level process steps are refused as `sandbox_unavailable`. */
const NEEDED_ISOLATION = "namespaces";

export interface SampleInput {
  readonly api: Api;
  /** STEPGATE_HOME: the evidence goes to `sample/` below it. */
  readonly home: string;
  readonly trustFile: string;
}

export interface SampleResult {
  readonly ok: boolean;
  readonly runUid: string;
}

export async function runSample(around: Surroundings, { api, home, trustFile }: SampleInput): Promise<SampleResult> {
  const { terminal, interrupted } = around;
  const server = await startSampleServer();
  try {
    const { items } = await api.get("/v1/executors", ExecutorPage);
    const level = items.find(({ type }) => type === "process")?.isolation ?? "none";
    const sample = readSample({
      text: await readFile(SAMPLE),
      values: { ...makeSampleValues(), server: server.host },
      hasSandbox: isAtLeast(level as Parameters<typeof isAtLeast>[0], NEEDED_ISOLATION),
    });
    terminal.line("");
    terminal.line(`sample run "support-triage" (${sample.expected.size} steps), submitted over the API, watched live`);
    const restore = await openExecutors(api, sample, items);
    const run = await api.send("POST", "/v1/runs", { body: sample.submission, schema: RunView });
    const events: string[] = [];
    const story = await followRun(api, run.run_uid, {
      signal: interrupted,
      onEvent: (event, told) => {
        events.push(JSON.stringify(event));
        showEvent(terminal, event, told);
      },
    });
    await restore();
    const differences = [...compare(sample, { story, events, received: server.received })];
    const end = differences.length === 0 ? "as the sample declares" : "NOT as the sample declares";
    terminal.line(`${endLine(story)} · ${end}`);
    if (!(await proveIt(around, { api, home, trustFile, runUid: run.run_uid })))
      differences.push("the evidence does not verify");
    for (const difference of differences) terminal.line(terminal.paint("red", `  differs: ${difference}`));
    return { ok: differences.length === 0, runUid: run.run_uid };
  } finally {
    await server.stop();
  }
}

/** Sets what the sample's steps need and returns how to put the tenant's own settings back. */
async function openExecutors(
  api: Api,
  sample: SampleFile,
  before: readonly { readonly type: string; readonly settings: Readonly<Record<string, unknown>> }[],
): Promise<() => Promise<void>> {
  const put = (type: string, settings: JsonObject) =>
    api.send("PUT", `/v1/executors/${type}`, { body: settings, schema: AnyJson });
  for (const [type, settings] of Object.entries(sample.executors)) await put(type, settings);
  return async () => {
    for (const { type, settings } of before) {
      if (Object.hasOwn(sample.executors, type)) await put(type, settings as JsonObject);
    }
  };
}

/** Exports the evidence and verifies the file as anybody could, with the trust file alone. */
async function proveIt(
  { terminal }: Surroundings,
  { api, home, trustFile, runUid }: SampleInput & { readonly runUid: string },
): Promise<boolean> {
  const folder = join(home, "sample");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, "evidence.stepgate");
  const evidence = await api.bytes(`/v1/runs/${runUid}/evidence`);
  await writeFile(path, evidence, { mode: 0o600 });
  const shown = shownPath(path);
  terminal.line("");
  terminal.line(`evidence: ${shown} (${Math.ceil(evidence.length / 1024)} KB)`);
  terminal.line(
    terminal.paint("bold", `stepgate verify ${shown} --trust ${shownPath(join(home, "keys", "trust.json"))}`),
  );
  const report = verifyBundle(await readFile(path), {
    trustFile,
    pinnedRoot: undefined,
    nowMs: systemClock.nowMs(),
    onProgress: undefined,
  });
  reportVerification(terminal, report, { isWhole: false });
  return report.status === "ok";
}
