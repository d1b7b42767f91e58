/**
 * Reads members of an event's data, which the log holds as plain JSON (spec 00, one log per run).
 *
 * In: a stored event and a member's name. Out: the member in its own type. Not here: what it means (projection.ts).
 */
import { StepgateError } from "../core/errors.ts";
import type { RunEvent } from "../core/event.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";

/** A text, or undefined when the member is absent. @throws {StepgateError} INVALID_LOG malformed_data. */
export function optionalText(event: RunEvent, name: string, data: JsonObject = event.data): string | undefined {
  const value = data[name];
  if (value === undefined) return undefined;
  if (typeof value !== "string") throw malformed(event, name);
  return value;
}

/** A text that must be there. @throws {StepgateError} INVALID_LOG malformed_data. */
export function requiredText(event: RunEvent, name: string, data: JsonObject = event.data): string {
  const value = optionalText(event, name, data);
  if (value === undefined) throw malformed(event, name);
  return value;
}

/** A non-negative integer, or undefined when absent. @throws {StepgateError} INVALID_LOG malformed_data. */
export function optionalCount(event: RunEvent, name: string): number | undefined {
  const value = event.data[name];
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw malformed(event, name);
  return value;
}

/** An object; `{}` when absent. @throws {StepgateError} INVALID_LOG malformed_data. */
export function objectOf(event: RunEvent, name: string): JsonObject {
  const value = event.data[name];
  if (value === undefined) return {};
  if (!isJsonObject(value)) throw malformed(event, name);
  return value;
}

/** A list; empty when absent. @throws {StepgateError} INVALID_LOG malformed_data. */
export function listOf(event: RunEvent, name: string): readonly JsonValue[] {
  const value = event.data[name];
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw malformed(event, name);
  return value;
}

/** The error for a member of the wrong form; names the member, never its value. */
export function malformed(event: RunEvent, member: string): StepgateError {
  return new StepgateError("INVALID_LOG", { seq: event.seq, event: event.type, reason: "malformed_data", member });
}
