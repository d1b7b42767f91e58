/**
 * Options of every command that calls the API: where it is and which key is used.
 */
import type { Command } from "commander";
import { JSON_OPTION } from "./surroundings.ts";

export interface TargetOptions {
  readonly url?: string;
  readonly keyFile?: string;
  readonly json?: boolean;
}

export function addTargetOptions(command: Command): Command {
  return command
    .option("--url <url>", "the gateway's address (default: what STEPGATE_LISTEN says)")
    .option("--key-file <file>", "file with an API key (default: keys/admin-key under STEPGATE_HOME)")
    .option(...JSON_OPTION);
}
