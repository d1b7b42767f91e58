/**
 * Constraints on one argument of a tool: their form, and whether a value meets them (design §5).
 *
 * Closed: a type that is not in the table is refused, never skipped. Not here: which arguments must be there (scope.ts).
 */
import { canonicalDigest, canonicalJson } from "../core/canonical-json.ts";
import type { Constraint, TokenReason } from "../core/capability.ts";
import { DIGEST_PATTERN, type Digest } from "../core/ids.ts";
import { isJsonArray, type JsonValue, jsonEquals } from "../core/json.ts";
import { hasFields, isArrayOf, isInteger, isRecord, isText, type UnknownRecord } from "./form.ts";
import { isHostCovered, readHost } from "./host.ts";
import { isDigestOf } from "./request-digest.ts";

type ConstraintType = Constraint["constraint_type"];

const DIGEST = new RegExp(DIGEST_PATTERN);
const isDigest = ({ sha256 }: UnknownRecord) => typeof sha256 === "string" && DIGEST.test(sha256);
const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value);
const isFullList = (value: unknown): value is readonly unknown[] => isList(value) && value.length > 0;

interface ConstraintForm {
  readonly required: readonly string[];
  readonly optional?: readonly string[];
  readonly check: (fields: UnknownRecord) => boolean;
}

/** Which fields a constraint has beside its type, and what they must be. */
const FORMS: Readonly<Record<ConstraintType, ConstraintForm>> = {
  exact: { required: ["value"], check: () => true },
  one_of: { required: ["values"], check: ({ values }) => isFullList(values) },
  // an empty list would forbid nothing
  not_one_of: { required: ["values"], check: ({ values }) => isFullList(values) },
  range: { required: [], optional: ["min", "max"], check: isRange },
  path_prefix: { required: ["root"], check: ({ root }) => typeof root === "string" && isPlainPath(root) },
  host_set: { required: ["hosts"], check: ({ hosts }) => isArrayOf(hosts, isHost) },
  subset: { required: ["values"], check: ({ values }) => isList(values) },
  schema_digest: { required: ["sha256"], check: isDigest },
  commitment: { required: ["sha256"], check: isDigest },
  // without a member `all` would allow everything
  all: { required: ["constraints"], check: ({ constraints }) => isFullList(constraints) },
  any: { required: ["constraints"], check: ({ constraints }) => isFullList(constraints) },
};

/** Why a value from a token is no constraint; nothing when it is one. */
export function constraintFaults(value: unknown): readonly TokenReason[] {
  if (!isRecord(value) || !isText(value["constraint_type"])) return ["scope_malformed"];
  const { constraint_type: type, ...fields } = value;
  if (!isConstraintType(type)) return ["constraint_unknown"];
  const { required, optional = [], check } = FORMS[type];
  if (!hasFields(fields, required, optional) || !check(fields)) return ["scope_malformed"];
  return isList(fields["constraints"]) ? fields["constraints"].flatMap(constraintFaults) : [];
}

/**
 * Whether a value meets a constraint. `salt` is that of the request digest.
 *
 * @throws {StepgateError} JSON_INVALID when the value is not JSON.
 */
export function meetsConstraint(constraint: Constraint, value: JsonValue, salt: Uint8Array): boolean {
  switch (constraint.constraint_type) {
    case "exact":
      return jsonEquals(value, constraint.value);
    case "one_of":
      return constraint.values.some((allowed) => jsonEquals(value, allowed));
    case "not_one_of":
      return !constraint.values.some((forbidden) => jsonEquals(value, forbidden));
    case "range":
      return typeof value === "number" && value >= (constraint.min ?? value) && value <= (constraint.max ?? value);
    case "path_prefix":
      return typeof value === "string" && isPathBelow(value, constraint.root);
    case "host_set":
      return typeof value === "string" && isHostCovered(value, constraint.hosts);
    case "subset":
      return isJsonArray(value) && isSubset(value, constraint.values);
    case "schema_digest":
      return canonicalDigest(value) === constraint.sha256;
    case "commitment":
      return isDigestOf(constraint.sha256, salt, canonicalJson(value));
    case "all":
      return constraint.constraints.every((each) => meetsConstraint(each, value, salt));
    case "any":
      return constraint.constraints.some((each) => meetsConstraint(each, value, salt));
  }
}

/** Whether a schema or a definition of which only the digest is at hand meets a constraint. */
export function meetsDigest(constraint: Constraint, digest: Digest): boolean {
  switch (constraint.constraint_type) {
    case "schema_digest":
      return constraint.sha256 === digest;
    case "all":
      return constraint.constraints.every((each) => meetsDigest(each, digest));
    case "any":
      return constraint.constraints.some((each) => meetsDigest(each, digest));
    default:
      // what it says of the value cannot be told from the digest
      return false;
  }
}

function isConstraintType(type: unknown): type is ConstraintType {
  return typeof type === "string" && Object.hasOwn(FORMS, type);
}

function isRange({ min, max }: UnknownRecord): boolean {
  if (min === undefined && max === undefined) return false;
  return (min === undefined || isInteger(min)) && (max === undefined || isInteger(max));
}

function isHost(value: unknown): value is string {
  return typeof value === "string" && readHost(value) !== undefined;
}

/** An absolute POSIX path that names one place: no empty, `.` or `..` segment, no backslash, no U+0000. */
function isPlainPath(path: string): boolean {
  if (path === "/") return true;
  const [first, ...segments] = path.split("/");
  return (
    first === "" &&
    segments.length > 0 &&
    !path.includes("\\") &&
    !path.includes("\0") &&
    segments.every((segment) => segment !== "" && segment !== "." && segment !== "..")
  );
}

function isPathBelow(path: string, root: string): boolean {
  if (!isPlainPath(path)) return false;
  return path === root || path.startsWith(root === "/" ? root : `${root}/`);
}

function isSubset(items: readonly JsonValue[], allowed: readonly JsonValue[]): boolean {
  // compared as canonical texts: pairwise comparison of two long lists would be quadratic in untrusted input
  const texts = new Set(allowed.map(canonicalJson));
  return items.every((item) => texts.has(canonicalJson(item)));
}
