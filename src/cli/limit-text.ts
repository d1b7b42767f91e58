/**
 * What a step asked for above a limit, what was left of it, and when it resets, as *admit* said it (spec 03).
 *
 * In: the detail of a `step_refused` event. Out: a phrase. Ids and counts only.
 */
import { usdText } from "../core/amount.ts";
import { countOf, type Data, textOf } from "./read-data.ts";

/** Whether a refusal of this kind has such a detail. */
export function isOverLimit(errorKind: string | undefined): boolean {
  return errorKind === "budget_exceeded" || errorKind === "quota_exceeded";
}

/** `asks for 60 tokens, 40 of 100 are left in quota daily, which resets 2026-01-03T00:00:00.000Z` */
export function limitText(detail: Data): string {
  const which = textOf(detail, "which") ?? textOf(detail, "unit") ?? "";
  const unit = which.replace(/^step_/, "");
  const number = (count: number) => (unit === "usd_micros" ? `$${usdText(count)}` : `${count}`);
  const amount = (count: number) => (unit === "usd_micros" ? number(count) : `${count} ${unit}`);
  if (textOf(detail, "reason") === "uncapped")
    return `may spend any ${unit}, of which there is a limit${quotaText(detail)}: give a cost_hint`;
  const [limit, requested] = [countOf(detail, "limit"), countOf(detail, "requested")];
  if (which !== unit) return `asks for ${amount(requested)}, more than the ${amount(limit)} of its policy.budget`;
  // what was used above a reservation may have passed the limit
  const left = limit - countOf(detail, "used") - countOf(detail, "reserved");
  const rest = left > 0 ? `${number(left)} of ${number(limit)} are left` : `none of ${number(limit)} is left`;
  return `asks for ${amount(requested)}, ${rest}${quotaText(detail)}`;
}

function quotaText(detail: Data): string {
  const quota = textOf(detail, "quota");
  if (quota === undefined) return "";
  const resetsAtMs = countOf(detail, "resets_at_ms");
  return ` in quota ${quota}, which ${resetsAtMs === 0 ? "never resets" : `resets ${new Date(resetsAtMs).toISOString()}`}`;
}
