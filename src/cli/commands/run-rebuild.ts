/**
 * `stepgate run rebuild`: puts back a run's rows from its manifest and its log, on the database of this configuration.
 *
 * For rows that are damaged or gone; no API is asked. Not here: what is put back (runs/rebuild-run.ts).
 */
import { StepgateError } from "../../core/errors.ts";
import { type RunUid, UUID_PATTERN } from "../../core/ids.ts";
import { ownName } from "../../core/own-user.ts";
import type { RebuiltRun } from "../../runs/rebuild-run.ts";
import type { StepAction } from "../../runs/resume.ts";
import { makeLog } from "../../telemetry/logger.ts";
import { type AddCommand, JSON_OPTION, readConfig } from "../surroundings.ts";
import { alignColumns, type Terminal } from "../terminal.ts";

const UUID = new RegExp(UUID_PATTERN);

interface Options {
  readonly tenant: string;
  readonly json?: boolean;
}

export const addRunRebuild: AddCommand = (parent, around) => {
  parent
    .command("rebuild <run>")
    .description("put back a run's rows from its manifest and its log")
    .option("--tenant <id>", "the tenant whose run it is", "default")
    .option(...JSON_OPTION)
    .addHelpText(
      "after",
      "\nWorks on the database itself, beside a running service or without one. Attempts, records, ledger and approvals\n" +
        "are facts and are not touched.\nExample:\n  npx stepgate run rebuild 01998000-0000-7000-8000-000000000001\n",
    )
    .action(async (run: string, { tenant, json }: Options) => {
      if (!UUID.test(run)) throw new StepgateError("USAGE", { reason: "a run is named by its uid here" });
      const config = readConfig(around);
      // every other command would load the database's room to answer a question
      const { rebuildRun } = await import("../../main-rebuild.ts");
      const rebuilt = await rebuildRun(
        { config, log: makeLog({ level: config.telemetry.logLevel }), onProgress: () => undefined },
        { tenantId: tenant, runUid: run as RunUid, actor: `cli:${ownName()}` },
      );
      if (json === true) around.terminal.line(JSON.stringify(reportOf(rebuilt)));
      else showRebuilt(around.terminal, rebuilt);
    });
};

function reportOf({ run, actions }: RebuiltRun) {
  const steps = [...run.steps].map(([step, { state }]) => ({
    step,
    state,
    next: actions.get(step) ?? { kind: "none" },
  }));
  return { run_uid: run.runUid, status: run.state, events: run.headSeq, steps };
}

function showRebuilt(terminal: Terminal, { run, actions }: RebuiltRun): void {
  terminal.line(`run ${run.runUid} put back from ${run.headSeq} events · ${run.state}`);
  const rows = [...run.steps].map(([step, { state }]) => [step, state, nextOf(actions.get(step))]);
  for (const line of alignColumns([["STEP", "STATE", "NEXT"], ...rows])) terminal.line(line);
  if (actions.size > 0) terminal.line(`  next: npx stepgate run watch ${run.runUid}`);
}

function nextOf(action: StepAction | undefined): string {
  switch (action?.kind) {
    case undefined:
    case "none":
      return "-";
    case "stay_blocked":
      return "waits for others";
    case "await_approval":
      return "waits for an approval";
    case "await_event":
      return "waits for an event";
    case "queue":
      return "is queued";
    case "close_lost":
      return action.afterwards === "queue"
        ? "its attempt is closed as lost, then queued"
        : "its attempt is closed as lost";
    case "cancel":
      return "cancelled now";
    case "skip":
      return `skipped now: ${action.reason}`;
    case "schedule_compensation":
      return `undoes ${action.origin}`;
  }
}
