/**
 * The command line: its commands, its exit codes, what happens to errors.
 *
 * In: arguments. Out: an exit code; text through the terminal alone. Not here: the commands (one file each).
 */
import { EventEmitter } from "node:events";
import { Command, CommanderError } from "commander";
import { takeSettings } from "../config/take-settings.ts";
import { StepgateError } from "../core/errors.ts";
import { addApprovalApprove, addApprovalReject } from "./commands/approval-decide.ts";
import { addApprovalList } from "./commands/approval-list.ts";
import { addApprovalShow } from "./commands/approval-show.ts";
import { addAuditVerify } from "./commands/audit-verify.ts";
import { addBillingRecompute } from "./commands/billing-recompute.ts";
import { addBreakpointClear } from "./commands/breakpoint-clear.ts";
import { addBreakpointList } from "./commands/breakpoint-list.ts";
import { addBreakpointSet } from "./commands/breakpoint-set.ts";
import { addBudgetShow } from "./commands/budget-show.ts";
import { addConfigPrint } from "./commands/config-print.ts";
import { addDeadLetterList } from "./commands/dead-letter-list.ts";
import { addDeadLetterRedrive } from "./commands/dead-letter-redrive.ts";
import { addDeadLetterShow } from "./commands/dead-letter-show.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addKeyCreate } from "./commands/key-create.ts";
import { addKeyList } from "./commands/key-list.ts";
import { addKeyRevoke } from "./commands/key-revoke.ts";
import { addMigrate } from "./commands/migrate.ts";
import { addPackBuild } from "./commands/pack-build.ts";
import { addPackCheck } from "./commands/pack-check.ts";
import { addPackFormat } from "./commands/pack-fmt.ts";
import { addPackNew } from "./commands/pack-new.ts";
import { addPackTest } from "./commands/pack-test.ts";
import { addQueuePause } from "./commands/queue-pause.ts";
import { addQueueResume } from "./commands/queue-resume.ts";
import { addQueueShow } from "./commands/queue-show.ts";
import { addQuotaList } from "./commands/quota-list.ts";
import { addQuotaPut } from "./commands/quota-put.ts";
import { addRetentionShow } from "./commands/retention-show.ts";
import { addRunCancel } from "./commands/run-cancel.ts";
import { addRunGet } from "./commands/run-get.ts";
import { addRunList } from "./commands/run-list.ts";
import { addRunPause } from "./commands/run-pause.ts";
import { addRunRebuild } from "./commands/run-rebuild.ts";
import { addBreakpointContinue, addRunResume } from "./commands/run-resume.ts";
import { addRunSubmit } from "./commands/run-submit.ts";
import { addRunWatch } from "./commands/run-watch.ts";
import { addSecretList } from "./commands/secret-list.ts";
import { addSecretPut } from "./commands/secret-put.ts";
import { addSecretRemove } from "./commands/secret-remove.ts";
import { addServe } from "./commands/serve.ts";
import { addSinkList } from "./commands/sink-list.ts";
import { addSinkPut } from "./commands/sink-put.ts";
import { addSinkRedrive } from "./commands/sink-redrive.ts";
import { addSinkRemove } from "./commands/sink-remove.ts";
import { addSinkSecret } from "./commands/sink-secret.ts";
import { addSinkShow } from "./commands/sink-show.ts";
import { addTenantList } from "./commands/tenant-list.ts";
import { addTenantPut } from "./commands/tenant-put.ts";
import { addToolList } from "./commands/tool-list.ts";
import { addToolPut } from "./commands/tool-put.ts";
import { addToolShow } from "./commands/tool-show.ts";
import { addVerify } from "./commands/verify.ts";
import { readVersion } from "./product-version.ts";
import { readInput } from "./read-input.ts";
import { reportError } from "./report-error.ts";
import { EXIT, type ExitCode, type Surroundings } from "./surroundings.ts";
import { makeTerminal } from "./terminal.ts";
import { watchOutput } from "./watch-output.ts";

/** Runs one command of this process and returns what it should exit with. */
export async function main(argv: readonly string[]): Promise<ExitCode> {
  const interrupt = new AbortController();
  const stop = (): void => interrupt.abort(new StepgateError("USAGE", { reason: "interrupted" }));
  // Neither once nor taken back: npm and our launcher pass on what the group already got, and a signal that comes again
  // must not cut the stop short, nor turn a clean end into a killed one.
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  const lookAgain = new EventEmitter();
  // of a terminal that was closed it means the end, of a supervisor it asks a service to look again
  process.on("SIGHUP", () => {
    if (process.stdout.isTTY || !lookAgain.emit("look")) stop();
  });
  const terminal = makeTerminal({ out: process.stdout, err: process.stderr, environment: process.env });
  let unread: ExitCode | undefined;
  const end = (code: ExitCode): void => {
    unread = code;
    // a pipe may tell only after the command has ended
    process.exitCode = code;
    stop();
  };
  watchOutput({ out: process.stdout, err: process.stderr, terminal, isService: argv[0] === "serve", end });
  const code = await runCommand(argv, {
    terminal,
    environment: takeSettings(process.env),
    interrupted: interrupt.signal,
    readInput: () => readInput(process.stdin),
    onLookAgain: (look) => {
      lookAgain.on("look", look);
      return () => lookAgain.off("look", look);
    },
  });
  return unread ?? code;
}

/** Runs one command in the given surroundings. Whatever goes wrong is shown there and is an exit code. */
export async function runCommand(argv: readonly string[], given: Omit<Surroundings, "exitWith">): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.done;
  const around: Surroundings = {
    ...given,
    exitWith: (code) => {
      exitCode = code;
    },
  };
  try {
    await (await makeProgram(around)).parseAsync([...argv], { from: "user" });
    return exitCode;
  } catch (caught) {
    if (given.interrupted.aborted) return EXIT.interrupted;
    // commander has printed help, version or what it did not understand already
    if (caught instanceof CommanderError) return caught.exitCode === 0 ? EXIT.done : EXIT.usage;
    return reportError(caught, given.terminal);
  }
}

/** All commands, for running one and for tests that read their help. */
export async function makeProgram(around: Surroundings): Promise<Command> {
  const { terminal } = around;
  const program = group(new Command("stepgate"))
    .configureOutput({
      writeOut: (text) => terminal.write(text),
      writeErr: (text) => terminal.note(text.trimEnd()),
    })
    .description("Every step of an agent, a workflow or a tool call passes one gate and leaves evidence.")
    .version(await readVersion());
  addServe(program, around);
  addMigrate(program, around);
  const run = group(program.command("run")).description("submit, follow, explain, pause and cancel runs");
  for (const add of [
    addRunSubmit,
    addRunList,
    addRunWatch,
    addRunGet,
    addRunPause,
    addRunResume,
    addRunCancel,
    addRunRebuild,
  ])
    add(run, around);
  const breakpoint = group(program.command("breakpoint")).description(
    "pause a run before a step, and go on from there",
  );
  for (const add of [addBreakpointList, addBreakpointSet, addBreakpointClear, addBreakpointContinue])
    add(breakpoint, around);
  const queue = group(program.command("queue")).description("see what waits; pause and resume it");
  for (const add of [addQueueShow, addQueuePause, addQueueResume]) add(queue, around);
  const letters = group(program.command("dead-letter")).description("list failed steps, look at one, go on from one");
  for (const add of [addDeadLetterList, addDeadLetterShow, addDeadLetterRedrive]) add(letters, around);
  const approval = group(program.command("approval")).description("see which steps wait for a person, and answer");
  for (const add of [addApprovalList, addApprovalShow, addApprovalApprove, addApprovalReject]) add(approval, around);
  const pack = group(program.command("pack")).description("make, check, format, test and build policy packs");
  for (const add of [addPackNew, addPackCheck, addPackFormat, addPackTest, addPackBuild]) add(pack, around);
  const sink = group(program.command("sink")).description("send events to webhooks, and see what was not taken there");
  for (const add of [addSinkList, addSinkShow, addSinkPut, addSinkSecret, addSinkRedrive, addSinkRemove])
    add(sink, around);
  const quota = group(program.command("quota")).description("see and set hard limits of a tenant");
  for (const add of [addQuotaList, addQuotaPut]) add(quota, around);
  addBudgetShow(group(program.command("budget")).description("see quotas and budgets"), around);
  addBillingRecompute(group(program.command("billing")).description("hold bills against the ledger"), around);
  addRetentionShow(group(program.command("retention")).description("see what is kept, and when it goes"), around);
  addVerify(program, around);
  addAuditVerify(group(program.command("audit")).description("check what was done"), around);
  const key = group(program.command("key")).description("make, list and revoke API keys");
  for (const add of [addKeyCreate, addKeyList, addKeyRevoke]) add(key, around);
  const tenant = group(program.command("tenant")).description("list, make and change tenants");
  for (const add of [addTenantList, addTenantPut]) add(tenant, around);
  const tool = group(program.command("tool")).description("list, look at and register tools");
  for (const add of [addToolList, addToolShow, addToolPut]) add(tool, around);
  const secret = group(program.command("secret")).description("keep, list and erase what tools are handed");
  for (const add of [addSecretList, addSecretPut, addSecretRemove]) add(secret, around);
  addConfigPrint(group(program.command("config")).description("settings"), around);
  addDoctor(program, around);
  return program;
}

/** Settings that commander hands down to the commands made below this one. */
function group(command: Command): Command {
  return command
    .exitOverride()
    .showHelpAfterError("add --help to see what this command takes      [USAGE]")
    .configureHelp({ showGlobalOptions: false });
}
