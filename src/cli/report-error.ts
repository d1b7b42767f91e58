/**
 * Errors as people read them: what is wrong, what to do, the code last. No stack trace, no payload.
 *
 * In: whatever was thrown. Out: two lines on standard error and an exit code. Not here: codes and their meaning (core/).
 */
import { isDiskFull } from "../core/disk-full.ts";
import { ERROR_CODES, type ErrorCode, type ErrorDetail, StepgateError } from "../core/errors.ts";
import { EXIT, type ExitCode } from "./surroundings.ts";
import type { Terminal } from "./terminal.ts";

/** What helps with codes that people meet at a terminal; the others say when a retry makes sense. */
const ADVICE: Partial<Readonly<Record<ErrorCode, string>>> = {
  CONFIG_INVALID: "put right what is listed above; `stepgate config print` shows every setting",
  DISK_FULL: "make room on the disk that is written to, then do the same again",
  EMBEDDED_FAILED: "look into .stepgate/pg/server.log, or set STEPGATE_DATABASE_URL to a PostgreSQL of your own",
  EMBEDDED_USER_NAMELESS:
    "give that uid a line in /etc/passwd (in an image: `useradd --uid <uid> stepgate`), or set STEPGATE_DATABASE_URL",
  EMBEDDED_UNSUPPORTED: "set STEPGATE_DATABASE_URL to a PostgreSQL 15 or newer",
  EVIDENCE_MALFORMED: "give the file that GET /v1/runs/{run}/evidence answered",
  EVIDENCE_NOT_READY: "wait for the run's end: `stepgate run watch <run>`",
  FORBIDDEN: "use a key with the role it needs: `stepgate key create --role <role>`",
  GATEWAY_UNREACHABLE: "start it with `npm start`, or give its address with --url",
  HOME_UNSAFE: "make the folder yours alone: chmod 700, and no link",
  INSTANCE_KEY_MISMATCH: "put back the keys folder that belongs to this database",
  INSTANCE_KEY_MISSING: "put back the keys folder that belongs to this database",
  KEY_FILE_UNSAFE: "make the file yours alone: chmod 600 for files, 700 for folders, no link",
  KEY_FILE_UNAVAILABLE: "give a key with --key-file, or start the gateway once so that it makes one",
  PACK_NOT_FOUND: "name a folder with a manifest.json, such as policies/packs/baseline",
  PORT_TAKEN: "stop what listens there, or set STEPGATE_LISTEN to another address",
  RATE_LIMITED: "wait until it resets, or have it raised: `stepgate quota list` shows what is used",
  SCHEMA_NEWER: "use the version of stepgate that made this schema, or a newer one",
  STORE_FENCE_OPEN: "take from that role what lets it pass row security, or give the gateway another database user",
  STORE_FULL: "make room on the database's disk; what waits goes on by itself",
  STORE_ROLES_MISSING:
    "as a superuser: create role <gatewayRole> nologin; create role <workerRole> nologin; grant both to <user>",
  STORE_UNAVAILABLE: "start it, or unset STEPGATE_DATABASE_URL to use the embedded one",
  TOOL_SECRET_MISSING: "put it first: `stepgate secret put <ref> < file`",
  TOOL_SECRET_UNFIT: "put it as one line: `stepgate secret put <ref> < file`",
  UNAUTHENTICATED: "give a valid key with --key-file; it may have been revoked or belong to another instance",
  USAGE: "add --help to see what this command takes",
};

const BY_RETRY: Readonly<Record<(typeof ERROR_CODES)[ErrorCode]["retry"], string>> = {
  never: "the same request will be refused again; change what it names",
  later: "try again in a moment",
  same_attempt: "the step may be tried again",
};

/** Prints the error and returns what the process should end with. */
export function reportError(caught: unknown, terminal: Terminal): ExitCode {
  const error = caught instanceof StepgateError ? caught : ofOthers(caught);
  const { code, detail } = error;
  const advice = ADVICE[code] ?? BY_RETRY[ERROR_CODES[code].retry];
  const about = describeDetail(detail);
  terminal.note(`${terminal.paint("red", "error:")} ${error.message}${about === "" ? "" : ` (${about})`}`);
  terminal.note(`  ${advice}      ${terminal.paint("dim", `[${code}]`)}`);
  if (code === "INTERNAL" && caught instanceof Error)
    terminal.note(`  ${caught.name}: ${caught.message.split("\n")[0]}`);
  return code === "USAGE" || code === "CONFIG_INVALID" ? EXIT.usage : EXIT.failed;
}

function ofOthers(caught: unknown): StepgateError {
  if (!isDiskFull(caught)) return new StepgateError("INTERNAL", {}, { cause: caught });
  const path = caught instanceof Error && "path" in caught ? caught.path : undefined;
  return new StepgateError("DISK_FULL", typeof path === "string" ? { path } : {}, { cause: caught });
}

function describeDetail(detail: ErrorDetail): string {
  return Object.entries(detail)
    .map(([name, value]) => {
      if (name === "reason" || name === "path") return String(value);
      const ofTime = /^(.+_at)_ms$/.exec(name)?.[1];
      if (ofTime !== undefined && typeof value === "number")
        return `${ofTime.replaceAll("_", " ")} ${new Date(value).toISOString()}`;
      return `${name} ${value}`;
    })
    .join(", ");
}
