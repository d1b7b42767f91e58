/**
 * Approvals as callers see them: who waits for whom, and for who may decide exactly what would run (spec 04, approval).
 *
 * Not here: reading and deciding (approvals/), the signed records (record.ts).
 */
import Type from "typebox";
import { APPROVAL_DECISIONS, APPROVAL_STATES } from "../../core/approval.ts";
import { BOUNDARIES } from "../../core/decision.ts";
import {
  anyObject,
  closedObject,
  count,
  digest,
  name,
  named,
  oneOf,
  page,
  text,
  time,
  uuid,
  type View,
} from "./schema.ts";

const party = (description: string) =>
  closedObject({ key_id: text("The key."), owner: text("The person or service that holds it.") }, description);
const pack = closedObject(
  { id: text("Its name."), version: text("Its version."), digest: digest("SHA-256 of the built pack.") },
  "A pack.",
);

const approvalHead = {
  approval_id: uuid("The approval."),
  state: oneOf(
    APPROVAL_STATES,
    "`open` waits; `approved` may be used once, then it is `consumed`; `void` serves nothing.",
  ),
  run_uid: uuid("The run."),
  run_id: Type.Optional(name("The id its submitter chose.")),
  step_id: text("The step that waits."),
  step_type: text("Which executor would perform it."),
  role: text("The role that must decide; several are separated by commas, and one key must have them all."),
  requester: party("Who submitted the run."),
  hold_record_id: digest("The signed hold."),
  created_at: time("Since when the step waits."),
  expires_at: time("Until when it may be decided, and used."),
  decided_by: Type.Optional(party("Who decided.")),
  decided_at: Type.Optional(time("When.")),
  approval_record_id: Type.Optional(digest("The signed decision.")),
};

/** An approval as lists show it. */
export const ApprovalSummaryView = closedObject(approvalHead, "An approval without what is approved.");
export type ApprovalSummaryView = View<typeof ApprovalSummaryView>;

export const ApprovalView = named(
  "ApprovalView",
  {
    ...approvalHead,
    shown_commitment: digest(
      "SHA-256 over `shown.nonce` and the RFC 8785 form of `shown.form`; hold and approval sign it.",
    ),
    holds: Type.Array(
      closedObject(
        {
          pack,
          stage: oneOf(["guardrails", "decide", "guard", "admit", "inspect"], "Where it decided."),
          boundary: oneOf(BOUNDARIES, "At which boundary."),
          reasons: Type.Array(
            closedObject(
              { code: text("The reason code."), text: Type.Optional(text("Its sentence, from the pack's manifest.")) },
              "One reason.",
            ),
          ),
        },
        "A pack that holds the step.",
      ),
      { description: "Which packs hold the step, and why." },
    ),
    packs: Type.Array(pack, {
      description: "Every pack that decided; another one in its place makes the approval void.",
    }),
    tool: Type.Optional(
      closedObject(
        { name: text("Its name."), version: count("Its version.", 1), digest: digest("SHA-256 of its definition.") },
        "The tool that would be used.",
      ),
    ),
    shown: Type.Optional(
      closedObject(
        {
          form: anyObject(
            "What would run, with all patches: `request`, digests of packs and settings, run, step, tenant.",
          ),
          nonce: text("The random bytes of the commitment, hex."),
        },
        "Exactly what is approved; only for keys with the role that must decide.",
      ),
    ),
    reason: Type.Optional(text("What the approver wrote; only for keys with the role that must decide.")),
  },
  "An approval.",
);
export type ApprovalView = View<typeof ApprovalView>;

export const ApprovalPage = page("ApprovalPage", ApprovalSummaryView, "Approvals, newest first.");
export type ApprovalPage = View<typeof ApprovalPage>;

export const ApprovalAnswer = named(
  "ApprovalAnswer",
  {
    decision: oneOf(APPROVAL_DECISIONS, "What shall become of the step."),
    reason: Type.Optional(
      Type.String({ minLength: 1, maxLength: 4096, description: "Why; kept sealed, shown to approvers only." }),
    ),
  },
  "A decision about an approval.",
);
export type ApprovalAnswer = View<typeof ApprovalAnswer>;
