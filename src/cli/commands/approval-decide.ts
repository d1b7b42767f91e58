/**
 * `stepgate approval approve` and `reject`: one person's answer; the same answer again changes nothing.
 */
import { findTarget, makeApi } from "../api.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { ApprovalView } from "../wire.ts";

interface Options extends TargetOptions {
  readonly reason?: string;
}

const makeAdd =
  (decision: "approve" | "reject", what: string): AddCommand =>
  (parent, around) => {
    addTargetOptions(parent.command(`${decision} <approval>`))
      .description(what)
      .option("--reason <text>", "why; kept sealed, shown to approvers only")
      .addHelpText(
        "after",
        `\nExample:\n  npx stepgate approval ${decision} <approval id> --reason "checked with the customer" --key-file bob.key\n`,
      )
      .action(async (id: string, { reason, json, ...target }: Options) => {
        const { terminal } = around;
        const api = makeApi(await findTarget(readConfig(around), target));
        const body = { decision, ...(reason === undefined ? {} : { reason }) };
        const approval = await api.send("POST", `/v1/approvals/${encodeURIComponent(id)}`, {
          body,
          schema: ApprovalView,
        });
        if (json === true) return terminal.write(`${JSON.stringify(approval)}\n`);
        const mark =
          decision === "approve"
            ? terminal.paint("green", terminal.symbol("✔", "done"))
            : terminal.paint("red", terminal.symbol("✖", "stop"));
        terminal.line(
          `${mark} step ${approval.step_id} ${decision === "approve" ? "approved" : "rejected"} by ${approval.decided_by?.owner ?? "nobody"}`,
        );
        terminal.line(terminal.paint("dim", `  record ${approval.approval_record_id ?? "none"}`));
        terminal.write(terminal.paint("dim", `  follow it: npx stepgate run watch ${approval.run_uid}\n`));
      });
  };

export const addApprovalApprove = makeAdd("approve", "let a held step run, once, exactly as it was shown");
export const addApprovalReject = makeAdd("reject", "end a held step; nothing of it runs");
