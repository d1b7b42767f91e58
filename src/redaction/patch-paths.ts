/**
 * Which places of a payload a pack may patch (spec 01, patches).
 *
 * In: operations as a pack gave them, and the side of the gate. Out: whether all of them stay inside. Not here: whether
 * they apply (apply-patch.ts).
 */
import type { PatchOperation } from "../core/decision.ts";
import { isStepgateError } from "../core/errors.ts";
import type { Path } from "./edit-document.ts";
import { parsePointer } from "./pointer.ts";

/** `ingress`: what goes into a step. `egress`: what comes out of it. */
export type BoundaryKind = "ingress" | "egress";

/** Roots whose whole value a pack may also replace: an output can be a plain text. */
const PAYLOAD_ROOTS: Readonly<Record<BoundaryKind, string>> = { ingress: "inputs", egress: "output" };
/** What a pack must not touch: it decides how often a step runs, what undoes it and what it may cost. */
const FIXED_EXECUTION: ReadonlySet<string> = new Set(["max_attempts", "compensation", "cost_hint"]);

/**
 * Whether every operation, `from` included, stays where packs may patch; false is the reason `patch_not_allowed`.
 *
 * Ingress: `/inputs/**` and `/execution/**` without `max_attempts`, `compensation` and `cost_hint`. Egress: `/output/**`.
 * The payload's root itself can be replaced, tested and copied, never removed or moved. A pointer that is none is refused.
 */
export function checkPatchPaths(patches: readonly PatchOperation[], kind: BoundaryKind): boolean {
  return patches.every(({ op, path, from }) => {
    const isTargetFree = isAllowed(path, kind, op !== "remove");
    return isTargetFree && (from === undefined || isAllowed(from, kind, op !== "move"));
  });
}

function isAllowed(pointer: string, kind: BoundaryKind, isRootAllowed: boolean): boolean {
  const [root, key] = pathOf(pointer) ?? [];
  if (root === PAYLOAD_ROOTS[kind]) return key !== undefined || isRootAllowed;
  return kind === "ingress" && root === "execution" && key !== undefined && !FIXED_EXECUTION.has(key);
}

function pathOf(pointer: string): Path | undefined {
  try {
    return parsePointer(pointer);
  } catch (caught) {
    if (isStepgateError(caught, "PATCH_MALFORMED")) return undefined;
    throw caught;
  }
}
