/**
 * Approvals on a terminal: pages read to their end, one shown with what would run; and the line that says who is waited for.
 *
 * Not here: deciding (commands/approval-decide.ts).
 */
import type { Api } from "./api.ts";
import type { Terminal } from "./terminal.ts";
import { ApprovalPage, type ApprovalSummary, type ApprovalView } from "./wire.ts";

/** All approvals of a state and run, newest first. */
export async function approvalsOf(
  api: Api,
  { state, run }: { readonly state: string | undefined; readonly run: string | undefined },
): Promise<readonly ApprovalSummary[]> {
  const found: ApprovalSummary[] = [];
  const filter = new URLSearchParams({
    limit: "200",
    ...(state === undefined ? {} : { state }),
    ...(run === undefined ? {} : { run }),
  });
  for (;;) {
    const page: { readonly items: ApprovalSummary[]; readonly next?: string } = await api.get(
      `/v1/approvals?${filter.toString()}`,
      ApprovalPage,
    );
    found.push(...page.items);
    if (page.next === undefined) return found;
    filter.set("after", page.next);
  }
}

/** `waits for approval by role approver until 2026-01-02T03:04:05Z: npx stepgate approval show 0199…` */
export function waitLine(approval: { readonly id: string; readonly role: string; readonly expiresAt: string }): string {
  const role = approval.role.replaceAll(",", " and ");
  return `waits for approval by role ${role} until ${approval.expiresAt}: npx stepgate approval show ${approval.id}`;
}

export function showApproval(terminal: Terminal, approval: ApprovalView): void {
  const { state, decided_by: decided } = approval;
  const shade = state === "open" ? "yellow" : state === "approved" || state === "consumed" ? "green" : "red";
  terminal.line(`approval ${approval.approval_id} · ${terminal.paint(shade, state)}`);
  terminal.line(
    `  step      ${approval.step_id} (${approval.step_type}) of run ${approval.run_id ?? approval.run_uid}`,
  );
  terminal.line(`  requester ${approval.requester.owner} (key ${approval.requester.key_id})`);
  terminal.line(
    `  decides   role ${approval.role.replaceAll(",", " and ")}, another owner, until ${approval.expires_at}`,
  );
  if (decided !== undefined) terminal.line(`  decided   by ${decided.owner} at ${approval.decided_at ?? ""}`);
  for (const { pack, stage, boundary, reasons } of approval.holds) {
    terminal.line(`  held by   ${pack.id} ${pack.version} at ${stage}, ${boundary} · sha256 ${pack.digest}`);
    for (const { code, text } of reasons) {
      terminal.line(`  reason    ${code}`);
      if (text !== undefined) terminal.line(terminal.paint("dim", `            "${text}"`));
    }
  }
  if (approval.tool !== undefined) terminal.line(`  tool      ${approval.tool.name} · sha256 ${approval.tool.digest}`);
  if (approval.reason !== undefined) terminal.line(`  answer    "${approval.reason}"`);
  terminal.line(
    terminal.paint("dim", `  record    ${approval.hold_record_id} · commits to ${approval.shown_commitment}`),
  );
  if (approval.shown === undefined) {
    terminal.line(terminal.paint("dim", "  what would run is shown to keys of that role"));
    return;
  }
  terminal.line("  would run");
  // never cut: this is what is approved. JSON.stringify escapes what could steer a terminal
  terminal.write(`${indent(JSON.stringify(approval.shown.form["request"], undefined, 2))}\n`);
  if (state === "open")
    terminal.write(terminal.paint("dim", `  next      npx stepgate approval approve ${approval.approval_id}\n`));
}

function indent(text: string): string {
  // C1 controls are the ones that JSON leaves as they are
  const safe = text.replaceAll(/[\u007f-\u009f]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return safe.replaceAll(/^/gm, "    ");
}
