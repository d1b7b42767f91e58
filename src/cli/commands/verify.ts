/**
 * `stepgate verify`: checks evidence from files alone. Exit 0 all good, 1 a check failed, 2 could not be established.
 */
import { readFile } from "node:fs/promises";
import { systemClock } from "../../core/clock.ts";
import { StepgateError } from "../../core/errors.ts";
import { verifyBundle, verifyRecordFile } from "../../evidence/verify-bundle.ts";
import { type AddCommand, EXIT, JSON_OPTION } from "../surroundings.ts";
import { reportVerification } from "../verify-report.ts";

interface Options {
  readonly trust?: string;
  readonly root?: string;
  readonly record?: boolean;
  readonly all?: boolean;
  readonly json?: boolean;
}

export const addVerify: AddCommand = (parent, { terminal, exitWith }) => {
  parent
    .command("verify <file>")
    .description("verify evidence offline")
    .option("--trust <file>", "the instance's trust file, such as .stepgate/keys/trust.json")
    .option("--root <thumbprint>", "the root key's RFC 7638 thumbprint, as you know it from elsewhere")
    .option("--record", "the file is one record as GET /v1/records/{id} answers it")
    .option("--all", "show every check in full, also those that hold")
    .option(...JSON_OPTION)
    .addHelpText(
      "after",
      "\nExit code: 0 all good, 1 a check failed, 2 could not be established.\n" +
        "Example:\n  npx stepgate verify .stepgate/sample/evidence.stepgate --trust .stepgate/keys/trust.json\n",
    )
    .action(async (file: string, options: Options) => {
      const context = {
        trustFile: options.trust === undefined ? undefined : await readInput(options.trust),
        pinnedRoot: options.root,
        nowMs: systemClock.nowMs(),
        onProgress: undefined,
      };
      const verify = options.record === true ? verifyRecordFile : verifyBundle;
      const report = verify(await readInput(file), context);
      if (options.json === true) terminal.line(JSON.stringify(report));
      else reportVerification(terminal, report, { isWhole: options.all === true });
      exitWith({ ok: EXIT.done, failed: EXIT.failed, not_established: EXIT.open }[report.status]);
    });
};

async function readInput(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new StepgateError("USAGE", { path, reason: "no readable file:" }, { cause });
  }
}
