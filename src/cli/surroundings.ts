/**
 * What every command is given beside its arguments.
 *
 * Commands read nothing of the process themselves, so that a test can stand in for it. Not here: making it (cli.ts).
 */
import type { Command } from "commander";
import type { Config } from "../config/config.ts";
import { configInvalid, type Environment, loadConfig } from "../config/load-config.ts";
import { renderFaults } from "../config/render-config.ts";
import type { Terminal } from "./terminal.ts";

export interface Surroundings {
  readonly terminal: Terminal;
  /** Our variables, taken out of the process's environment. */
  readonly environment: Environment;
  /** Fires when the user interrupts. */
  readonly interrupted: AbortSignal;
  /** Calls back whenever the process is told to look again at its machine (SIGHUP without a terminal); returns how to end it. */
  readonly onLookAgain: (look: () => void) => () => void;
  /** Everything that is piped in; undefined where standard input is a terminal. @throws {StepgateError} USAGE for too much. */
  readonly readInput: () => Promise<Uint8Array | undefined>;
  /** What the process ends with. */
  readonly exitWith: (code: ExitCode) => void;
}

export type AddCommand = (parent: Command, around: Surroundings) => void;

/** Done; refused or failed; could not be established; wrong usage; interrupted; nobody reads on (128 + SIGPIPE). */
export const EXIT = { done: 0, failed: 1, open: 2, usage: 64, interrupted: 130, unread: 141 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The settings, or all faults on standard error. @throws {StepgateError} CONFIG_INVALID. */
export function readConfig({ environment, terminal }: Surroundings): Config {
  const loaded = loadConfig(environment);
  if (loaded.ok) return loaded.config;
  for (const line of renderFaults(loaded.faults).trimEnd().split("\n")) terminal.note(line);
  throw configInvalid(loaded.faults);
}

export const JSON_OPTION = ["--json", "one JSON value (or one per line) for programs"] as const;
