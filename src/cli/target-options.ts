/**
 * Options of every command that calls the API: where it is and which key is used; and commands to copy that go there too.
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

/** A command of ours as it is typed, from what comes after `npx stepgate`. */
export type CommandFor = (words: string) => string;

/** Makes commands to copy that act where this one does: without its options they would act on this machine's default tenant. */
export function commandFor({ url, keyFile, tenant }: TargetOptions): CommandFor {
  const given = [
    ["--url", url],
    ["--key-file", keyFile],
    ["--tenant", tenant],
  ] as const;
  const options = given.flatMap(([option, value]) => (value === undefined ? [] : [` ${option} ${shellWord(value)}`]));
  return (words) => `npx stepgate ${words}${options.join("")}`;
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
