/**
 * Whether one scope stays within another in every dimension: the rule of every narrowing (design §5).
 *
 * In: two scopes that were read. Out: yes only when whatever fits the inner one fits the outer one too; where that cannot be
 * decided the answer is no. Not here: signatures and the other claims of a chain (verify-chain.ts).
 */
import type { Constraint, Scope } from "../core/capability.ts";
import { jsonEquals } from "../core/json.ts";
import { meetsConstraint } from "./constraint.ts";
import { isHostCovered } from "./host.ts";
import { LIMIT_NAMES } from "./scope.ts";

type Constraints = Scope["tools"][string];

/** Whether `inner` allows nothing that `outer` does not. `salt` is that of the request digest both are bound to. */
export function isScopeWithin(inner: Scope, outer: Scope, salt: Uint8Array): boolean {
  return (
    isSubset(inner.actions, outer.actions) &&
    isSubset(inner.locations, outer.locations) &&
    isSubset(inner.data, outer.data) &&
    inner.egress.every((host) => isHostCovered(host, outer.egress)) &&
    LIMIT_NAMES.every((name) => isLimitWithin(inner.limits[name], outer.limits[name])) &&
    Object.entries(inner.tools).every(
      ([tool, constraints]) =>
        Object.hasOwn(outer.tools, tool) && areConstraintsWithin(constraints, outer.tools[tool], salt),
    )
  );
}

/** A limit is neither added, which would be a permission, nor left out, where the adapter's larger default would hold. */
function isLimitWithin(inner: number | undefined, outer: number | undefined): boolean {
  return inner === undefined || outer === undefined ? inner === outer : inner <= outer;
}

/** The same arguments, each at least as narrow: in a closed world both one more and one less is another call. */
function areConstraintsWithin(inner: Constraints, outer: Constraints | undefined, salt: Uint8Array): boolean {
  if (outer === undefined || Object.keys(inner).length !== Object.keys(outer).length) return false;
  return Object.entries(inner).every(([name, constraint]) => {
    const wide = Object.hasOwn(outer, name) ? outer[name] : undefined;
    return wide !== undefined && implies(constraint, wide, salt);
  });
}

/** Whether every value that meets `narrow` meets `wide`; no where the rules below do not show it. */
export function implies(narrow: Constraint, wide: Constraint, salt: Uint8Array): boolean {
  if (jsonEquals(narrow, wide)) return true;
  if (wide.constraint_type === "all") return wide.constraints.every((each) => implies(narrow, each, salt));
  if (narrow.constraint_type === "any") return narrow.constraints.every((each) => implies(each, wide, salt));
  return (
    (narrow.constraint_type === "all" && narrow.constraints.some((each) => implies(each, wide, salt))) ||
    (wide.constraint_type === "any" && wide.constraints.some((each) => implies(narrow, each, salt))) ||
    isNarrower(narrow, wide, salt)
  );
}

/** The rules between two constraints that are not composed. */
function isNarrower(narrow: Constraint, wide: Constraint, salt: Uint8Array): boolean {
  switch (narrow.constraint_type) {
    case "exact":
      return meetsConstraint(wide, narrow.value, salt);
    case "one_of":
      return narrow.values.every((value) => meetsConstraint(wide, value, salt));
    case "not_one_of":
      return (
        wide.constraint_type === "not_one_of" &&
        wide.values.every((value) => narrow.values.some((forbidden) => jsonEquals(forbidden, value)))
      );
    case "range":
      return (
        wide.constraint_type === "range" &&
        (wide.min === undefined || (narrow.min !== undefined && narrow.min >= wide.min)) &&
        (wide.max === undefined || (narrow.max !== undefined && narrow.max <= wide.max))
      );
    case "path_prefix":
      return wide.constraint_type === "path_prefix" && meetsConstraint(wide, narrow.root, salt);
    case "host_set":
      return wide.constraint_type === "host_set" && narrow.hosts.every((host) => isHostCovered(host, wide.hosts));
    case "subset":
      return wide.constraint_type === "subset" && meetsConstraint(wide, narrow.values, salt);
    case "schema_digest":
    case "commitment":
    case "all":
    case "any":
      return false;
  }
}

function isSubset(inner: readonly string[], outer: readonly string[]): boolean {
  return inner.every((item) => outer.includes(item));
}
