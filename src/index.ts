/**
 * The library's surface: start a Stepgate in a process of your own, add executors, verify evidence.
 *
 * Tool adapters need only `stepgate/verify` (verify.ts). Not here: the command line (cli/).
 */
export { loadConfig } from "./config/load-config.ts";
export { ERROR_CODES, type ErrorCode, isStepgateError, StepgateError } from "./core/errors.ts";
export { type VerifyReport, verifyBundle, verifyRecordFile } from "./evidence/verify-bundle.ts";
export type {
  AdapterCheck,
  AdapterDescription,
  ExecutionContext,
  ExecutorAdapter,
  ExecutorResult,
  IsolationReport,
  ToolEvent,
  Usage,
  WantedIsolation,
} from "./executors/contract.ts";
export { Stepgate, startStepgate } from "./main.ts";
export type { StartInput, StartProgress } from "./main-input.ts";
export { makeLog } from "./telemetry/logger.ts";
