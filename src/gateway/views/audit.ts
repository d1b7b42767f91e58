/**
 * The audit chain as callers see it: with what it takes to check it without us.
 *
 * Not here: what is hashed (evidence/audit-chain.ts).
 */
import Type from "typebox";
import { closedObject, count, digest, named, text, time, type View } from "./schema.ts";

const AuditEntry = closedObject(
  {
    seq: count("Counts from 1 in the tenant, without a gap.", 1),
    actor: text("Who acted: a key, or a part of the product."),
    action: text("What was done, such as `tenant.update`."),
    resource: text("On what: canonical JSON, the very text that was hashed."),
    at: time("When, to the millisecond."),
    prev_hash: digest("`hash` of the entry before; zeros in the first."),
    hash: digest("SHA-256 over 0x00 and the canonical JSON of {action, actor, at_ms, prev, resource, seq}."),
  },
  "One action.",
);

export const AuditPage = named(
  "AuditPage",
  {
    items: Type.Array(AuditEntry),
    head: closedObject(
      { seq: count("Of the last entry; 0 where nothing was done yet."), hash: digest("Its hash.") },
      "Where the chain ends: an entry that is cut off shows here.",
    ),
    next: Type.Optional(text("Cursor of the next page; absent on the last one.")),
  },
  "What was done in the tenant, in order.",
);
export type AuditPage = View<typeof AuditPage>;
