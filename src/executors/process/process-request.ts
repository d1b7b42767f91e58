/**
 * What a `process` step asks for, read by its schemas and held against the tenant's settings.
 *
 * In: spec and settings as they come. Out: a command that may run, or a refusal with its kind and codes.
 * Not here: isolation (process-adapter.ts), the state of files (find-program.ts decides, this asks).
 */
import type { ScopeDemand } from "../../core/capability.ts";
import type { IsolationLevel } from "../../core/isolation.ts";
import type { JsonObject } from "../../core/json.ts";
import type { StepSpec } from "../../core/step.ts";
import type { AdapterCheck } from "../contract.ts";
import { makeReader } from "../schema.ts";
import { excesses, type ListedCommand, listedCommand, makeProgramCheck } from "./find-program.ts";
import { ProcessInputs } from "./process-inputs.ts";
import { makeReadProcessSettings, type ProcessSettings } from "./process-settings.ts";

export type Refusal = Extract<AdapterCheck, { readonly ok: false }>;

/** A command that its tenant's settings allow. */
export interface ProcessRequest {
  readonly ok: true;
  readonly command: ListedCommand;
  readonly inputs: ProcessInputs;
  readonly settings: ProcessSettings;
}

export interface ProcessRequests {
  /** By the settings alone; no file is looked at. */
  readonly read: (spec: StepSpec, settings: JsonObject) => ProcessRequest | Refusal;
  /** And the program's file is the listed one, and the step asks no more of it than it may. */
  readonly check: (spec: StepSpec, settings: JsonObject) => ProcessRequest | Refusal;
}

/** Makes the reader; `defaultFloor` is the isolation that holds where settings name none. */
export function makeProcessRequests(defaultFloor: IsolationLevel): ProcessRequests {
  const readSettings = makeReadProcessSettings(defaultFloor);
  const readInputs = makeReader(ProcessInputs);
  const programFault = makeProgramCheck();
  const read = (spec: StepSpec, given: JsonObject): ProcessRequest | Refusal => {
    const settings = readSettings(given);
    if (settings === undefined) return refusal("invalid_request", "settings_malformed");
    const inputs = readInputs(spec.inputs);
    if (inputs === undefined) return refusal("invalid_request", "inputs_malformed");
    const command = listedCommand(settings, inputs);
    if (command === undefined) return refusal("program_not_allowed", "program_not_listed");
    return { ok: true, command, inputs, settings };
  };
  return {
    read,
    check: (spec, settings) => {
      const request = read(spec, settings);
      if (!request.ok) return request;
      const fault = programFault(request.command.program);
      if (fault !== undefined) return refusal("program_not_allowed", fault);
      const [first, ...others] = excesses(request.command.program, request.inputs);
      return first === undefined ? request : refusal("invalid_request", first, ...others);
    },
  };
}

/** What the token must allow: this program with all that it is given. A program that is not listed is in no scope. */
export function processScope(request: ProcessRequest | Refusal): ScopeDemand {
  return {
    action: "invoke",
    location: "adapter:process",
    tool: "process",
    arguments: request.ok ? programArguments(request) : {},
    limits: { calls: 1 },
    egress: [],
    data: [],
  };
}

function programArguments({ command, inputs: { stdin, env } }: ProcessRequest): ScopeDemand["arguments"] {
  return {
    program: command.program.path,
    args: command.args,
    ...(stdin === undefined ? {} : { stdin }),
    ...(env === undefined ? {} : { env }),
  };
}

/** A check that failed. */
export function refusal(kind: Refusal["kind"], ...reasons: readonly string[]): Refusal {
  return { ok: false, kind, reasons };
}
