/**
 * `stepgate approval list`: steps that wait for a person, and what became of others.
 */

import { findTarget, makeApi } from "../api.ts";
import { approvalsOf } from "../approvals.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { alignColumns } from "../terminal.ts";

interface Options extends TargetOptions {
  readonly state: string;
  readonly run?: string;
}

export const addApprovalList: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("list"))
    .description("list approvals, open ones unless told otherwise")
    .option("--state <state>", "open, approved, rejected, expired, consumed, void or all", "open")
    .option("--run <run>", "only those of this run")
    .addHelpText("after", "\nExample:\n  npx stepgate approval list --state all\n")
    .action(async ({ state, run, json, ...target }: Options) => {
      const { terminal } = around;
      const api = makeApi(await findTarget(readConfig(around), target));
      const approvals = await approvalsOf(api, { state: state === "all" ? undefined : state, run });
      if (json === true) return terminal.write(`${JSON.stringify(approvals)}\n`);
      if (approvals.length === 0) return terminal.line("nothing waits");
      const rows = approvals.map((one) => [
        one.approval_id,
        one.state,
        one.role,
        `until ${one.expires_at.slice(0, 16)}Z`,
        one.requester.owner,
        `${one.run_id ?? one.run_uid} / ${one.step_id}`,
      ]);
      for (const line of alignColumns([["APPROVAL", "STATE", "ROLE", "EXPIRES", "REQUESTER", "STEP"], ...rows]))
        terminal.line(line);
    });
};
