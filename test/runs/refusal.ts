/**
 * What a refusal looks like in a table: the code, and the parts of the detail that matter.
 *
 * Not here: tests.
 */
import { type ErrorCode, type ErrorDetail, isStepgateError } from "../../src/core/errors.ts";

/** Runs `act` and answers the code and detail it was refused with; undefined when it was not refused. */
export function refusalOf(act: () => unknown): { code: ErrorCode; detail: ErrorDetail } | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (!isStepgateError(error)) throw error;
    return { code: error.code, detail: error.detail };
  }
}
