/**
 * The one 404 of lookups: what is not there and what is another tenant's end here, and look alike.
 *
 * No detail is given, since it could only tell them apart. Not here: unknown paths (access.ts).
 */
import { StepgateError } from "../../core/errors.ts";

/** The value of a lookup. @throws {StepgateError} NOT_FOUND for none. */
export function found<T>(value: T | undefined): T {
  if (value === undefined) throw new StepgateError("NOT_FOUND");
  return value;
}
