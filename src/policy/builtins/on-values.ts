/**
 * From builtins over values to builtins over literals, and the operand checks they share.
 *
 * A builtin that gets an operand of another type is undefined, as OPA's are when errors are not strict.
 */
import { parseLiteral, RegoNumber, RegoSet, type RegoValue, writeLiteral } from "./rego-value.ts";

/** A builtin over values; undefined = undefined. */
export type ValueBuiltin = (...operands: readonly RegoValue[]) => RegoValue | undefined;

/** An operand of the wrong type or form: the builtin is undefined, the evaluation goes on. */
export class OperandError extends Error {
  override readonly name = "OperandError";
}

/** Wraps a builtin for the bridge, where operands and result are literals. */
export function onValues(builtin: ValueBuiltin): (operands: readonly string[]) => string | undefined {
  return (operands) => {
    try {
      const result = builtin(...operands.map(parseLiteral));
      return result === undefined ? undefined : writeLiteral(result);
    } catch (caught) {
      if (caught instanceof OperandError) return undefined;
      throw caught;
    }
  };
}

export function stringOperand(value: RegoValue | undefined): string {
  if (typeof value !== "string") throw new OperandError("not a string");
  return value;
}

export function arrayOperand(value: RegoValue | undefined): readonly RegoValue[] {
  if (!Array.isArray(value)) throw new OperandError("not an array");
  return value as readonly RegoValue[];
}

/** The number as an integer of at most 2^53 − 1. */
export function integerOperand(value: RegoValue | undefined): number {
  const number = value instanceof RegoNumber ? Number(value.literal) : Number.NaN;
  if (!Number.isSafeInteger(number)) throw new OperandError("not an integer");
  return number;
}

/** A string, or all strings of an array or set. */
export function stringsOperand(value: RegoValue | undefined): readonly string[] {
  if (typeof value === "string") return [value];
  return (value instanceof RegoSet ? value.elements : arrayOperand(value)).map(stringOperand);
}
