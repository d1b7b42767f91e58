/**
 * Exact numbers of a submission: money to micro-USD, factors to parts per million, estimates inside inputs.
 *
 * In: submitted numbers and the pointer of their field. Out: integers. Not here: what a step asks for (step-request.ts).
 */
import { usdMicrosOf } from "../core/amount.ts";
import { isStepgateError, StepgateError } from "../core/errors.ts";
import type { JsonValue } from "../core/json.ts";
import type { AmountSubmission } from "./step-submission.ts";

/** Tokens and micro-USD, each only if it was given. */
export interface GivenAmount {
  readonly tokens?: number;
  readonly usd_micros?: number;
}

/**
 * Reads tokens and money of one field; undefined when neither was given.
 *
 * @throws {StepgateError} FIELD_INVALID when `cost` and `usd_micros` are both given, or `cost` is no exact amount.
 */
export function readAmount(given: AmountSubmission | undefined, field: string): GivenAmount | undefined {
  if (given === undefined) return undefined;
  if (given.cost !== undefined && given.usd_micros !== undefined)
    throw new StepgateError("FIELD_INVALID", { field: `${field}/cost`, reason: "not together with usd_micros" });
  const usdMicros = given.cost === undefined ? given.usd_micros : readUsd(given.cost, `${field}/cost`);
  if (given.tokens === undefined && usdMicros === undefined) return undefined;
  return {
    ...(given.tokens !== undefined && { tokens: given.tokens }),
    ...(usdMicros !== undefined && { usd_micros: usdMicros }),
  };
}

/**
 * Reads a decimal USD amount (number or text, at most six decimals) as micro-USD, exactly.
 *
 * @throws {StepgateError} FIELD_INVALID naming `field` for anything else.
 */
export function readUsd(value: JsonValue | undefined, field: string): number {
  if (typeof value !== "number" && typeof value !== "string")
    throw new StepgateError("FIELD_INVALID", { field, reason: "not a decimal amount" });
  try {
    return usdMicrosOf(value);
  } catch (cause) {
    if (!isStepgateError(cause, "MONEY_INVALID")) throw cause;
    throw new StepgateError("FIELD_INVALID", { field, reason: "not a decimal amount" }, { cause });
  }
}

/**
 * Reads a number with at most six decimals as integer parts per million: 1.5 → 1 500 000.
 *
 * @throws {StepgateError} FIELD_INVALID naming `field` for anything finer, negative or not a number.
 */
export function readPpm(value: JsonValue | undefined, field: string): number {
  if (typeof value !== "number")
    throw new StepgateError("FIELD_INVALID", { field, reason: "not a number of at most six decimals" });
  // micro-USD per USD and parts per million are the same shift of six decimal places
  return readUsd(value, field);
}

/**
 * Checks a count of tokens inside free JSON.
 *
 * @throws {StepgateError} FIELD_INVALID naming `field` unless it is an integer from 0 to 2^53 − 1.
 */
export function readTokens(value: JsonValue | undefined, field: string): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new StepgateError("FIELD_INVALID", { field, reason: "not a count of tokens" });
}
