/**
 * `process`: runs one listed program with an argument vector, as isolated as this machine was proved to allow (spec 09).
 *
 * In: `{command, stdin?, env?, parse?}`. Out: `{stdout, stderr, exit_code, json?}`. No shell, no network, no file of the
 * host beside the system's programs. Not here: the sandbox (confine.ts), its proof (self-test.ts).
 */
import { type IsolationLevel, isAtLeast } from "../../core/isolation.ts";
import type { AdapterCheck, ExecutionContext, ExecutorAdapter, ExecutorResult, WantedIsolation } from "../contract.ts";
import { executionError, stopped } from "../failure.ts";
import type { AdapterDeps } from "../ports.ts";
import { publishSchema } from "../schema.ts";
import { makeTokenGuard } from "../token-guard.ts";
import { type Confinement, confine } from "./confine.ts";
import { launch } from "./launch.ts";
import type { Machine } from "./machine.ts";
import { ProcessInputs } from "./process-inputs.ts";
import { makeProcessRequests, type ProcessRequest, processScope, type Refusal, refusal } from "./process-request.ts";
import { processResult } from "./process-result.ts";
import { DEFAULT_PROCESS_SETTINGS, ProcessSettingsSchema, stronger } from "./process-settings.ts";
import { PROCESS_SECRETS } from "./secret-env.ts";
import { type Proof, proveIsolation } from "./self-test.ts";
import { makeSlotPool, type SlotPool } from "./slots.ts";

export const PROCESS_AUDIENCE = "adapter.process";

export interface ProcessAdapterDeps extends AdapterDeps {
  /** Looks at the machine; asked at start and at every self-test. */
  readonly survey: () => Machine;
  /** How many programs run at once; where the service is root each has one of the uids from `firstUid` on. */
  readonly slots: { readonly firstUid: number; readonly count: number };
  /** Between SIGTERM and SIGKILL. */
  readonly graceMs: number;
  /** Where the self-test plants its canary; every uid must be able to enter it. */
  readonly scratchFolder: string;
}

/** What the last self-test left: before the first, nothing is proved and nothing runs. */
interface Standing {
  readonly machine: Machine;
  readonly proof: Proof;
}

const UNPROVED: Proof = { confinement: undefined, report: { level: "none", checks: [], advice: undefined } };

/** Makes the adapter; it refuses every step until `selfTest` has proved a level. */
export function makeProcessAdapter(deps: ProcessAdapterDeps): ExecutorAdapter {
  const machine = deps.survey();
  const slots = makeSlotPool({ firstUid: machine.isRoot ? deps.slots.firstUid : undefined, count: deps.slots.count });
  const guard = makeTokenGuard({ ...deps, audience: PROCESS_AUDIENCE });
  // a service that is not root has no second uid to give: the strongest floor would refuse its every step
  const requests = makeProcessRequests(machine.isRoot ? "namespaces+seccomp+uid" : "namespaces");
  let standing: Standing = { machine, proof: UNPROVED };

  return {
    type: "process",
    audience: PROCESS_AUDIENCE,
    settingsSchema: publishSchema(ProcessSettingsSchema),
    inputsSchema: publishSchema(ProcessInputs),
    defaultSettings: DEFAULT_PROCESS_SETTINGS,
    secrets: PROCESS_SECRETS,
    describe: () => ({
      type: "process",
      version: "1.0.0",
      summary: "Runs a listed program in a sandbox.",
      // at the weaker levels a program may reach the host, so none of them is called harmless
      effects: "write",
      meters: [],
      isolation: standing.proof.report.level,
    }),
    scope: (spec, settings) => processScope(requests.read(spec, settings)),
    check: (spec, settings, wanted) => {
      const request = requests.check(spec, settings);
      return request.ok ? checkIsolation(standing.proof.report.level, request, wanted) : request;
    },
    selfTest: async () => {
      const now = deps.survey();
      try {
        const proof = await proveIsolation({ machine: now, slots, scratchFolder: deps.scratchFolder });
        standing = { machine: now, proof };
        return proof.report;
      } catch (cause) {
        // what an earlier test proved may not hold any more
        standing = { machine: now, proof: UNPROVED };
        throw cause;
      }
    },
    execute: async (context, signal) => {
      const { spec, settings } = context;
      const guarded = guard(context, processScope(requests.read(spec, settings)));
      if (!guarded.ok) return guarded.result;
      const request = requests.check(spec, settings);
      if (!request.ok) return refused(request);
      const { proof, machine: now } = standing;
      if (proof.confinement === undefined || !isAtLeast(proof.report.level, context.isolation))
        return refused(refusal("sandbox_unavailable", "isolation_too_weak"));
      return perform({
        request,
        context,
        signal,
        slots,
        machine: now,
        confinement: proof.confinement,
        graceMs: deps.graceMs,
      });
    },
  };
}

/** The stronger of both floors must be met, unless the tenant allowed weaker levels by name; `none` is never met. */
function checkIsolation(level: IsolationLevel, { settings }: ProcessRequest, wanted: WantedIsolation): AdapterCheck {
  const isMet = isAtLeast(level, stronger(wanted.minimum, settings.minIsolation));
  if (level !== "none" && (isMet || wanted.weakerAllowed)) return { ok: true, isolation: level };
  return refusal("sandbox_unavailable", "isolation_too_weak");
}

/** A refusal after admission: a file, the settings or the machine changed since *guard*. */
function refused({ kind, reasons }: Refusal): ExecutorResult {
  return executionError({
    code: reasons.join(","),
    message: `the program was not started: ${kind}`,
    isRetryable: false,
  });
}

interface Performance {
  readonly request: ProcessRequest;
  readonly context: ExecutionContext;
  readonly signal: AbortSignal;
  readonly slots: SlotPool;
  readonly machine: Machine;
  readonly confinement: Confinement;
  readonly graceMs: number;
}

async function perform({
  request,
  context,
  signal,
  slots,
  machine,
  confinement,
  graceMs,
}: Performance): Promise<ExecutorResult> {
  const { command, inputs, settings } = request;
  const { limits } = settings;
  const slot = await slots.take(signal);
  if (slot === undefined) return stopped(signal);
  try {
    const program = {
      path: command.program.path,
      args: command.args,
      env: inputs.env ?? {},
      secrets: context.secrets,
      limits,
    };
    const result = await launch(confine(machine, confinement, program, slot.uid), {
      stdin: inputs.stdin ?? "",
      wallMs: Math.min(limits.wall_ms, context.limits.wall_ms ?? limits.wall_ms),
      maxOutputBytes: Math.min(limits.output_bytes, context.limits.bytes_out ?? limits.output_bytes),
      graceMs,
      signal,
    });
    return processResult(result, inputs.parse, signal);
  } finally {
    slot.release();
  }
}
