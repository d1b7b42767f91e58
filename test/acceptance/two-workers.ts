/**
 * A gateway and two worker processes over one database, whose executors the test plays: what either worker calls comes to
 * one function, with the worker's pid. Started once for all cases of a file.
 *
 * Types `metered` and `unhinted` are as `sink`, but spend tokens and money.
 */
import type { Test } from "tap";
import type { RunUid } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { ExecutorResult } from "../../src/executors/contract.ts";
import type { TestDatabase } from "../storage/test-database.ts";
import { type FromWorker, type PlayedContext, playedTypes, type ToWorker } from "./played-executor.ts";
import { allow, done, makeSink, type Rig, startRig } from "./rig.ts";
import { startWorker } from "./workers.ts";

export interface PlayedCall extends PlayedContext {
  /** Of the worker that calls. */
  readonly pid: number;
}

/** May throw: then the executor does. */
export type Play = (call: PlayedCall, number: number, signal: AbortSignal) => Promise<ExecutorResult> | ExecutorResult;

/** What a worker of `startTwoWorkers` may have in flight, where a file says so. */
export const DOLLAR = 1_000_000;

export type Cases = Readonly<Record<string, (t: Test, two: TwoWorkers) => Promise<void>>>;

export interface TwoWorkers {
  readonly rig: Rig;
  readonly pids: readonly number[];
  /** What executors do from now on; resolves calls that are under way as before. The calls come in the array. */
  readonly play: (perform: Play) => readonly PlayedCall[];
  /** What the packs of both were asked, since `play`. */
  readonly decided: () => readonly JsonObject[];
  /** A further worker, in place of one that was killed; resolves with its pid. */
  readonly startAnother: () => Promise<number>;
  /** Settings of the tenant in place of its own; without any, its own again. */
  readonly setTenant: (settings?: JsonObject) => Promise<void>;
  /** How many workers ended an attempt of these runs, or refused a step, by the audit log. */
  readonly workersOf: (...runs: readonly RunUid[]) => Promise<number>;
}

const tenant = { runtime_pack: "runtime", required_guardrails: [] };

/** @param env of both workers. */
export async function startTwoWorkers(
  t: Test,
  database: TestDatabase,
  env: Readonly<Record<string, string>>,
): Promise<TwoWorkers> {
  const rig = await startRig(t, {
    database,
    packs: { runtime: allow },
    adapters: playedTypes(makeSink(() => done(null))),
    tenant,
    env: { STEPGATE_ROLE: "gateway" },
  });
  let perform: Play = () => done(null);
  let calls: PlayedCall[] = [];
  let decided: JsonObject[] = [];
  const startOne = async (): Promise<number> => {
    const aborts = new Map<number, AbortController>();
    const worker = await startWorker(t, {
      rig,
      database,
      env,
      onMessage: async (message: FromWorker, answer: (message: ToWorker) => void) => {
        if (message.kind === "decided") decided.push(message.input);
        if (message.kind === "aborted") aborts.get(message.call)?.abort();
        if (message.kind !== "called") return;
        const { call, context } = message;
        const abort = new AbortController();
        aborts.set(call, abort);
        const played = { ...context, pid: worker.pid };
        calls.push(played);
        const number = calls.length;
        const result = await (async () => perform(played, number, abort.signal))().catch(() => undefined);
        answer({ call, result });
      },
    });
    t.teardown(() => worker.stop());
    return worker.pid;
  };
  const pids = await Promise.all([startOne(), startOne()]);
  return {
    rig,
    pids,
    play: (next) => {
      [perform, calls, decided] = [next, [], []];
      return calls;
    },
    decided: () => decided,
    startAnother: startOne,
    setTenant: async ({ quotas = [], ...settings } = {}) => {
      await rig.stepgate.rooms.tenants.put({
        tenantUid: rig.tenantUid,
        tenantId: "default",
        weight: 1,
        isPaused: false,
        settings: { ...tenant, ...settings },
        quotas: quotas as never,
        actor: "test",
      });
    },
    workersOf: async (...runs) => {
      const [row] = await rig.rows(
        `select count(distinct resource::jsonb ->> 'worker')::integer as workers from stepgate.audit_log
          where action like 'step.%' and resource::jsonb ->> 'run_id' = any (string_to_array($1, ','))`,
        [runs.join()],
      );
      return Number(row?.["workers"]);
    },
  };
}

/** Runs the cases one after another; what one of them made of the tenant does not reach the next. */
export async function runCases(t: Test, two: TwoWorkers, cases: Cases): Promise<void> {
  for (const [name, run] of Object.entries(cases)) {
    await t.test(name, (t) => run(t, two));
    await two.setTenant();
  }
}

/** Lets calls go on once both workers have made one. */
export function makeMeeting(): (pid: number) => Promise<void> {
  const pids = new Set<number>();
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return (pid) => {
    if (pids.add(pid).size === 2) open();
    return opened;
  };
}

/** The same submission twice, at once: one for each worker, where they cannot have both. */
export const twice = ({ rig }: TwoWorkers, submission: JsonObject): Promise<readonly RunUid[]> =>
  Promise.all([rig.submit(submission), rig.submit(submission)]);
