/**
 * JSON Patch (RFC 6902) for redactions: all operations or none, on a document that is never changed.
 *
 * In: a document that passed strict parsing, and operations. Out: a new document that shares what was not touched.
 * Bounded: no patch makes a document deeper than strict parsing takes, or one that doubles until memory ends.
 * Not here: which pointers a pack may use (patch-paths.ts).
 */
import type { PatchOperation } from "../core/decision.ts";
import { isStepgateError, StepgateError } from "../core/errors.ts";
import { isJsonObject, type JsonValue, jsonEquals } from "../core/json.ts";
import { editDocument, type Path, valueAt } from "./edit-document.ts";
import { parsePointer } from "./pointer.ts";

export interface PatchLimits {
  readonly maxOperations: number;
  /** Of the document that results, counted as strict parsing counts. */
  readonly maxDepth: number;
  /** Characters and values that all operations together write; `copy` costs little and may double what is there. */
  readonly maxWeight: number;
}

/** The weight is four payloads of 1 MiB (spec 01, limits). */
export const DEFAULT_PATCH_LIMITS: PatchLimits = { maxOperations: 1_000, maxDepth: 64, maxWeight: 4_194_304 };

type Step =
  | { readonly op: "add" | "replace"; readonly path: Path; readonly value: JsonValue }
  | { readonly op: "test"; readonly path: Path; readonly value: JsonValue }
  | { readonly op: "remove"; readonly path: Path }
  | { readonly op: "move" | "copy"; readonly path: Path; readonly from: Path };

interface Budget {
  readonly maxDepth: number;
  weightLeft: number;
}

/**
 * Applies a patch and returns the new document; the given one is not changed.
 *
 * Members of an operation that RFC 6902 does not know are ignored (§4). All fails when one operation does: a place that is
 * not there, an index out of range or with a leading zero, a `test` of another value, a move into itself.
 *
 * @throws {StepgateError} PATCH_MALFORMED with `index` for an operation of the wrong form, or one too many;
 * PATCH_DOES_NOT_APPLY with `index` and `pointer` for one that does not fit, or makes the document too deep or too large.
 */
export function applyPatch(
  document: JsonValue,
  patch: readonly PatchOperation[],
  limits: PatchLimits = DEFAULT_PATCH_LIMITS,
): JsonValue {
  if (!Array.isArray(patch)) throw new StepgateError("PATCH_MALFORMED", { reason: "not a list" });
  if (patch.length > limits.maxOperations) throw malformed("too many operations", limits.maxOperations);
  const budget = { maxDepth: limits.maxDepth, weightLeft: limits.maxWeight };
  let patched = document;
  for (const [index, operation] of patch.entries()) {
    const next = perform(patched, readOperation(operation, index), budget);
    if (next === undefined) throw new StepgateError("PATCH_DOES_NOT_APPLY", { index, pointer: operation.path });
    patched = next;
  }
  return patched;
}

/** The document after one operation; undefined when it does not fit (RFC 6902 §4.1–4.6). */
function perform(document: JsonValue, step: Step, budget: Budget): JsonValue | undefined {
  switch (step.op) {
    case "add":
    case "replace":
      return write(document, step, budget);
    case "remove":
      return editDocument(document, step.path, { kind: "remove" });
    case "test": {
      const standing = valueAt(document, step.path);
      return standing !== undefined && jsonEquals(standing, step.value) ? document : undefined;
    }
    case "copy": {
      const value = valueAt(document, step.from);
      return value === undefined ? undefined : write(document, { op: "add", path: step.path, value }, budget);
    }
    case "move":
      return move(document, step.from, step.path, budget);
  }
}

function write(
  document: JsonValue,
  { op, path, value }: Extract<Step, { op: "add" | "replace" }>,
  budget: Budget,
): JsonValue | undefined {
  const weight = weigh(value, budget.maxDepth - path.length, budget.weightLeft);
  if (weight === undefined) return undefined;
  budget.weightLeft -= weight;
  return editDocument(document, path, { kind: op, value });
}

function move(document: JsonValue, from: Path, path: Path, budget: Budget): JsonValue | undefined {
  const value = valueAt(document, from);
  if (value === undefined) return undefined;
  const isInside = from.every((key, depth) => key === path[depth]);
  if (isInside) return from.length === path.length ? document : undefined;
  const without = editDocument(document, from, { kind: "remove" });
  return without === undefined ? undefined : write(without, { op: "add", path, value }, budget);
}

/** What a value adds to a document; undefined when it nests deeper than `depthLeft` or weighs more than `weightLeft`. */
function weigh(value: JsonValue, depthLeft: number, weightLeft: number): number | undefined {
  if (weightLeft < 1) return undefined;
  if (typeof value === "string") return value.length < weightLeft ? value.length + 1 : undefined;
  if (typeof value !== "object" || value === null) return 1;
  if (depthLeft < 1) return undefined;
  let weight = 1;
  for (const [key, member] of Object.entries(value)) {
    weight += key.length;
    const added = weigh(member, depthLeft - 1, weightLeft - weight);
    if (added === undefined) return undefined;
    weight += added;
  }
  return weight;
}

/** The form of an operation is checked again here: packs are not the only ones who write patches. */
function readOperation(operation: PatchOperation, index: number): Step {
  if (!isJsonObject(operation as JsonValue & PatchOperation)) throw malformed("not an object", index);
  const { op, path, from, value } = operation;
  switch (op) {
    case "remove":
      return { op, path: readPointer(path, index) };
    case "add":
    case "replace":
    case "test":
      if (value === undefined) throw malformed("no value", index);
      return { op, path: readPointer(path, index), value };
    case "move":
    case "copy":
      return { op, path: readPointer(path, index), from: readPointer(from, index) };
    default:
      throw malformed("unknown operation", index);
  }
}

function readPointer(pointer: string | undefined, index: number): Path {
  if (pointer === undefined) throw malformed("no pointer", index);
  try {
    return parsePointer(pointer);
  } catch (cause) {
    if (!isStepgateError(cause, "PATCH_MALFORMED")) throw cause;
    throw new StepgateError("PATCH_MALFORMED", { ...cause.detail, index }, { cause });
  }
}

function malformed(reason: string, index: number): StepgateError {
  return new StepgateError("PATCH_MALFORMED", { reason, index });
}
