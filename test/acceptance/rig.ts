/**
 * A whole Stepgate for acceptance tests: real PostgreSQL, real keys, real gate and worker; packs and sinks made to order.
 *
 * Time is the machine's; tests wait on the run's log, never sleep.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Test } from "tap";
import { makeCallCounter } from "../../src/capability/call-counter.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import { canonicalDigest } from "../../src/core/canonical-json.ts";
import type { Clock } from "../../src/core/clock.ts";
import type { PackDecision } from "../../src/core/decision.ts";
import type { RunUid, TenantUid } from "../../src/core/ids.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../src/core/json.ts";
import { parseJson } from "../../src/core/parse-json.ts";
import { isRunEnded } from "../../src/core/state.ts";
import type { ExecutionContext, ExecutorAdapter, ExecutorResult } from "../../src/executors/contract.ts";
import { makeNoopAdapter } from "../../src/executors/noop/noop-adapter.ts";
import { type Stepgate, startStepgate } from "../../src/main.ts";
import type { LoadedPack } from "../../src/policy/pack.ts";
import type { RunRow, StepRow } from "../../src/runs/ports.ts";
import { makePool, type Pool } from "../../src/storage/pool.ts";
import { type Log, makeLog } from "../../src/telemetry/logger.ts";
import type { TestDatabase } from "../storage/test-database.ts";

export type Decide = (input: JsonObject) => Partial<PackDecision> & Pick<PackDecision, "effect">;

/** A pack that decides as a function says. */
export function packOf(id: string, decide: Decide): LoadedPack {
  return {
    ref: { id, version: "1.0.0", digest: canonicalDigest(id) },
    manifest: { name: id, version: "1.0.0" } as LoadedPack["manifest"],
    evaluate: (bytes) => {
      const input = parseJson(bytes);
      if (!isJsonObject(input)) return { ok: false, fault: "malformed", durationUs: 1 };
      return {
        ok: true,
        decision: { reasons: [], patches: [], obligations: [], ...decide(input) },
        undeclared: [],
        durationUs: 1,
      };
    },
    close: () => undefined,
  };
}

export const allow: Decide = () => ({ effect: "allow" });

/** Redacts `inputs.card` where there is one; stable. */
export const redactCard: Decide = ({ inputs }) =>
  !isJsonObject(inputs) || inputs["card"] === undefined || inputs["card"] === "[redacted]"
    ? { effect: "allow" }
    : { effect: "redact", reasons: ["card"], patches: [{ op: "replace", path: "/inputs/card", value: "[redacted]" }] };

/** An executor of type `sink` that remembers every call: what must stay untouched or be touched. */
export function makeSink(
  perform: (context: ExecutionContext, call: number, signal: AbortSignal) => Promise<ExecutorResult> | ExecutorResult,
) {
  const calls: ExecutionContext[] = [];
  const base = makeNoopAdapter({
    calls: makeCallCounter({ nowSec: () => Math.floor(Date.now() / 1000), maxTokens: 10_000 }),
    clockSkewSec: 30,
  });
  const adapter: ExecutorAdapter = {
    ...base,
    type: "sink",
    describe: () => ({ ...base.describe(), type: "sink" }),
    inputsSchema: { type: "object" },
    execute: async (context, signal) => {
      calls.push(context);
      return perform(context, calls.length, signal);
    },
  };
  return { adapter, calls };
}

export const done = (
  output: JsonValue,
  usage: { readonly tokens?: number; readonly usdMicros?: number } = { tokens: 0, usdMicros: 0 },
): ExecutorResult => ({
  ok: true,
  output,
  usage,
  toolEvents: [],
});

/** An execution that failed and may be tried again. */
export const failure = (over: Partial<Extract<ExecutorResult, { ok: false }>> = {}): ExecutorResult => ({
  ok: false,
  kind: "execution_error",
  retryable: true,
  code: "boom",
  message: "it broke",
  usage: { tokens: 3, usdMicros: 7 },
  toolEvents: [],
  ...over,
});

export interface RigOptions {
  /** Undefined for a server of its own, in the home folder. */
  readonly database: TestDatabase | undefined;
  readonly packs?: Readonly<Record<string, Decide>>;
  readonly adapters?: readonly ExecutorAdapter[];
  readonly tenant?: JsonObject;
  readonly env?: Readonly<Record<string, string>>;
  /** Of the machine, in place of its own. */
  readonly clock?: Clock;
  /** Takes every line of the log, of all levels. */
  readonly onLogLine?: (line: string) => void;
}

export interface Rig {
  readonly stepgate: Stepgate;
  readonly tenantUid: TenantUid;
  /** Submits through the use case that the API calls. */
  readonly submit: (submission: JsonObject) => Promise<RunUid>;
  /** Waits until the run has ended and is sealed. */
  readonly ended: (runUid: RunUid) => Promise<RunRow>;
  /** Waits until `isThere` holds for the run's steps. */
  readonly until: (
    runUid: RunUid,
    isThere: (steps: ReadonlyMap<string, StepRow>, run: RunRow) => boolean,
  ) => Promise<void>;
  /** Waits until the run's log holds such an event. */
  readonly untilEvent: (
    runUid: RunUid,
    isIt: (event: { readonly type: string; readonly stepId: string | undefined; readonly data: JsonObject }) => boolean,
  ) => Promise<void>;
  readonly steps: (runUid: RunUid) => Promise<ReadonlyMap<string, StepRow>>;
  readonly events: (
    runUid: RunUid,
  ) => Promise<readonly { readonly type: string; readonly stepId: string | undefined; readonly data: JsonObject }[]>;
  /** As the database's owner, who sees every tenant's rows. */
  readonly rows: (sql: string, values?: readonly (string | number)[]) => Promise<readonly Record<string, unknown>[]>;
}

const PATIENCE_MS = 60_000;

function logOf({ onLogLine }: RigOptions): Log {
  if (onLogLine !== undefined) return makeLog({ level: "trace", destination: { write: onLogLine } });
  return makeLog({ level: process.env["RIG_LOG"] === "1" ? "debug" : "error" });
}

export async function startRig(t: Test, options: RigOptions): Promise<Rig> {
  const home = await mkdtemp(join(tmpdir(), "stepgate-rig-"));
  const loaded = loadConfig({
    STEPGATE_HOME: home,
    STEPGATE_LISTEN: "127.0.0.1:0",
    STEPGATE_ADMIN_KEY: "acceptance-test-admin-key-0123456789",
    STEPGATE_RETRY_JITTER_PPM: "0",
    STEPGATE_DRAIN_MS: "2000",
    ...options.env,
  });
  if (!loaded.ok) throw new TypeError(JSON.stringify(loaded.faults));
  const packs = new Map(Object.entries(options.packs ?? {}).map(([id, decide]) => [id, packOf(id, decide)]));
  const stepgate = await startStepgate({
    config: loaded.config,
    log: logOf(options),
    onProgress: () => undefined,
    parts: {
      packs,
      adapters: options.adapters ?? [],
      ...(options.database === undefined ? {} : { database: options.database.target }),
      ...(options.clock === undefined ? {} : { clock: options.clock }),
    },
  });
  t.teardown(async () => {
    await stepgate.stop();
    await rm(home, { recursive: true, force: true });
  });
  const { rooms } = stepgate;
  const owner = options.database?.pool ?? ownPool(t, stepgate);
  const tenant = await rooms.tenants.find("default");
  if (tenant === undefined) throw new TypeError("no default tenant");
  const { tenantUid } = tenant;
  if (options.tenant !== undefined) {
    const { quotas = [], ...settings } = options.tenant;
    await rooms.tenants.put({
      tenantUid,
      tenantId: "default",
      weight: 1,
      isPaused: false,
      settings,
      quotas: quotas as never,
      actor: "test",
    });
  }
  const steps = async (runUid: RunUid) =>
    new Map((await rooms.store.steps(tenantUid, runUid)).map((step) => [step.stepId as string, step]));
  const find = async (runUid: RunUid): Promise<RunRow> => {
    const run = await rooms.store.find(tenantUid, { runUid });
    if (run === undefined) throw new TypeError("the run is not there");
    return run;
  };
  const until: Rig["until"] = async (runUid, isThere) => {
    let [seen, sinceMs] = ["", performance.now()];
    let wake = (): void => undefined;
    const stop = rooms.feed.subscribe(runUid, () => wake());
    try {
      for (;;) {
        const lookedMs = performance.now();
        const woken = new Promise<void>((resolve) => {
          wake = resolve;
        });
        const [found, run] = [await steps(runUid), await find(runUid)];
        if (isThere(found, run)) return;
        const state = [...found.values()]
          .map((step) => `${step.stepId}:${step.state}:${step.errorKind ?? ""}:${step.reasons.join("+")}`)
          .join(" ");
        // a machine may be slow: as long as something of the run goes on, it is waited for
        if (`${run.status} ${state}` !== seen) [seen, sinceMs] = [`${run.status} ${state}`, performance.now()];
        if (performance.now() - sinceMs > PATIENCE_MS)
          throw new TypeError(`nothing goes on for ${PATIENCE_MS} ms: run ${run.status}, ${state}`);
        // a look at a thousand steps is work too, and events come faster than it is done
        await sleep(performance.now() - lookedMs);
        await Promise.race([woken, sleep(100)]);
      }
    } finally {
      stop();
    }
  };
  const events: Rig["events"] = async (runUid) =>
    (await rooms.store.events({ tenantUid, runUid, afterSeq: 0, limit: 10_000 })).map(({ type, stepId, data }) => ({
      type,
      stepId,
      data,
    }));
  return {
    stepgate,
    tenantUid,
    steps,
    until,
    events,
    untilEvent: async (runUid, isIt) => {
      let isThere = false;
      await until(runUid, () => {
        void events(runUid).then((found) => {
          isThere ||= found.some(isIt);
        });
        return isThere;
      });
    },
    submit: async (submission) => {
      const caller = {
        keyId:
          (await owner.query<{ key_id: string }>("select key_id from stepgate.api_keys limit 1")).rows[0]?.key_id ?? "",
        owner: "admin",
        roles: ["submitter"],
      };
      const { runUid } = await rooms.submitRun({
        tenantUid,
        caller,
        submission: rooms.readRunSubmission(submission),
        idempotencyKey: undefined,
        trace: undefined,
      });
      return runUid;
    },
    ended: async (runUid) => {
      await until(runUid, (_, run) => isRunEnded(run.status) && run.sealRecord !== undefined);
      return find(runUid);
    },
    rows: async (sql, values = []) => (await owner.query<Record<string, unknown>>(sql, values)).rows,
  };
}

/** Of the owner of the server in the home folder, whom row security does not bind. */
function ownPool(t: Test, { rooms }: Stepgate): Pool {
  if (rooms.embedded === undefined) throw new TypeError("no database was given and none is there");
  const { connection } = rooms.embedded;
  const pool = makePool({
    connection,
    maxConnections: 4,
    applicationName: "stepgate test",
    log: makeLog({ level: "silent" }),
  });
  t.teardown(() => pool.close());
  return pool;
}
