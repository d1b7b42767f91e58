/**
 * Amounts: integer tokens and integer micro-USD, the same pair everywhere (spec 00, numbers).
 *
 * At the edge a decimal USD amount is read exactly, never through a float. Not here: limits and reservations (tenancy/).
 */
import { StepgateError } from "./errors.ts";

/** Non-negative integers, at most 2^53 − 1. */
export interface Amount {
  readonly tokens: number;
  readonly usdMicros: number;
}

/** The two, by the names they have in budgets, quotas and limits. */
export const AMOUNT_UNITS = ["tokens", "usd_micros"] as const;
export type AmountUnit = (typeof AMOUNT_UNITS)[number];

export const NOTHING: Amount = { tokens: 0, usdMicros: 0 };

/** Tells whether both are what an amount is: what is not one must never be added to a sum. */
export function isAmount({ tokens, usdMicros }: Amount): boolean {
  return isCount(tokens) && isCount(usdMicros);
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/**
 * Reads a decimal USD amount, number or text with at most six decimals, as micro-USD.
 *
 * @throws {StepgateError} MONEY_INVALID for anything negative, not finite, finer than a micro-USD or beyond 2^53 − 1.
 */
export function usdMicrosOf(usd: number | string): number {
  const match = /^([0-9]{1,16})(?:\.([0-9]{1,6}))?$/.exec(typeof usd === "number" ? plainDecimal(usd) : usd);
  if (match === null) throw new StepgateError("MONEY_INVALID");
  const micros = BigInt(match[1] ?? "0") * 1_000_000n + BigInt((match[2] ?? "").padEnd(6, "0"));
  if (micros > BigInt(Number.MAX_SAFE_INTEGER)) throw new StepgateError("MONEY_INVALID");
  return Number(micros);
}

/** Micro-USD as the shortest exact decimal USD text: 1500000 → "1.5". */
export function usdText(usdMicros: number): string {
  const whole = Math.trunc(usdMicros / 1_000_000);
  const fraction = String(Math.abs(usdMicros % 1_000_000))
    .padStart(6, "0")
    .replace(/0+$/, "");
  return fraction === "" ? String(whole) : `${whole}.${fraction}`;
}

function plainDecimal(usd: number): string {
  const text = String(usd);
  // 1e-7 and smaller print with an exponent; they are finer than a micro-USD, so no form of them is accepted
  const small = /^([0-9])(?:\.([0-9]+))?e-([0-9]+)$/.exec(text);
  if (small === null) return text;
  return `0.${"0".repeat(Number(small[3]) - 1)}${small[1]}${small[2] ?? ""}`;
}
