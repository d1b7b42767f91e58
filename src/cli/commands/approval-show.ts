/**
 * `stepgate approval show`: exactly what would run, which packs hold it and why, who asked, until when.
 */
import { findTarget, makeApi } from "../api.ts";
import { showApproval } from "../approvals.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { ApprovalView } from "../wire.ts";

export const addApprovalShow: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("show <approval>"))
    .description("show what waits for approval: what would run, why it is held, until when")
    .addHelpText("after", "\nExample:\n  npx stepgate approval show <approval id> --key-file bob.key\n")
    .action(async (id: string, { json, ...target }: TargetOptions) => {
      const api = makeApi(await findTarget(readConfig(around), target));
      const approval = await api.get(`/v1/approvals/${encodeURIComponent(id)}`, ApprovalView);
      if (json === true) around.terminal.write(`${JSON.stringify(approval)}\n`);
      else showApproval(around.terminal, approval);
    });
};
