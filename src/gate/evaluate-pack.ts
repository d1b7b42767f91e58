/**
 * Asks one pack and takes nothing from it that is not a decision: a pack that throws, or answers in another form, denies.
 *
 * In: a loaded pack, its input. Out: a result whose every member was looked at. Not here: what the decision means
 * (decide-with-pack.ts), reading what a module answered (policy/read-decision.ts).
 */
import { EFFECTS, OBLIGATION_TYPES, type PackDecision } from "../core/decision.ts";
import type { TenantUid } from "../core/ids.ts";
import type { LoadedPack, PackResult } from "../policy/pack.ts";

/** Evaluates; whatever the pack does, the answer is a decision of the contract's form or a fault. */
export function evaluatePack(pack: LoadedPack, packInput: string, tenantUid: TenantUid): PackResult {
  let result: PackResult;
  try {
    result = pack.evaluate(Buffer.from(packInput), tenantUid);
  } catch {
    // packs are code of others, and what one throws may quote what it was shown
    return { ok: false, fault: "crashed", durationUs: 0 };
  }
  return isResult(result) ? result : { ok: false, fault: "malformed", durationUs: 0 };
}

function isResult(result: PackResult | undefined): result is PackResult {
  if (typeof result !== "object" || result === null || !Number.isSafeInteger(result.durationUs)) return false;
  if (result.ok === false) return typeof result.fault === "string";
  return result.ok === true && isTexts(result.undeclared) && isDecision(result.decision);
}

function isDecision(decision: PackDecision | undefined): boolean {
  return (
    typeof decision === "object" &&
    decision !== null &&
    EFFECTS.includes(decision.effect) &&
    isTexts(decision.reasons) &&
    isListOf(decision.patches, ({ op, path }) => typeof op === "string" && typeof path === "string") &&
    isListOf(decision.obligations, ({ type, properties }) => OBLIGATION_TYPES.includes(type) && isObject(properties))
  );
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function isListOf<Item extends object>(value: readonly Item[], isGood: (item: Item) => boolean): boolean {
  return Array.isArray(value) && value.every((item: Item) => isObject(item) && isGood(item));
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}
