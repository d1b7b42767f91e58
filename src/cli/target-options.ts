/**
 * Options of every command that calls the API: where it is and which key is used.
 */
import type { Command } from "commander";
import { JSON_OPTION } from "./surroundings.ts";

export interface TargetOptions {
  readonly url?: string;
  readonly keyFile?: string;
  readonly tenant?: string;
  readonly json?: boolean;
}

export function addTargetOptions(command: Command): Command {
  return command
    .option("--url <url>", "the gateway's address (default: what STEPGATE_LISTEN says)")
    .option("--key-file <file>", "file with an API key (default: keys/admin-key under STEPGATE_HOME)")
    .option("--tenant <id>", "the tenant to act in, with a key of the instance (default: default)")
    .option(...JSON_OPTION);
}
