/**
 * What a token will allow: exactly what the step demands, narrowed by obligations and by the step's own budget.
 *
 * In: a demand, obligations of the deciding packs, a budget. Out: a scope, which may be too narrow for the demand: then the
 * guard refuses it with every reason. Not here: tenant and tool settings, which the adapter puts into its demand.
 */
import { canonicalJson } from "../core/canonical-json.ts";
import {
  type Constraint,
  DEFINITION_ARGUMENT,
  SCOPE_TYPE,
  type Scope,
  type ScopeDemand,
  type ScopeLimits,
} from "../core/capability.ts";
import type { Obligation } from "../core/decision.ts";
import { StepgateError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { StepPolicy } from "../core/step.ts";
import { isArrayOf, isCount, isText } from "./form.ts";
import { intersectHosts, readHost } from "./host.ts";
import { requestDigest } from "./request-digest.ts";
import { LIMIT_NAMES } from "./scope.ts";

/**
 * The scope that covers this demand and nothing else.
 *
 * Arguments are bound by commitments under the salt of the request digest, so that the token, and the scope digest in
 * the records, say nothing about the payload. A registered tool stands beside them with the digest of its definition.
 *
 * @throws {StepgateError} JSON_INVALID when an argument is not JSON, FIELD_INVALID when the salt is not 32 bytes,
 *   SCOPE_INVALID for a tool of the executor's own name: one entry would hide the other.
 */
export function scopeOf(demand: ScopeDemand, salt: Uint8Array): Scope {
  const constraints = Object.entries(demand.arguments).map(([name, value]): [string, Constraint] => [
    name,
    { constraint_type: "commitment", sha256: requestDigest(salt, canonicalJson(value)) },
  ]);
  return {
    actions: [demand.action],
    data: demand.data,
    egress: demand.egress,
    limits: demand.limits,
    locations: [demand.location],
    tools: { [demand.tool]: Object.fromEntries(constraints), ...definitionEntry(demand) },
    type: SCOPE_TYPE,
  };
}

function definitionEntry({ tool, definition }: ScopeDemand): Scope["tools"] {
  if (definition === undefined) return {};
  if (definition.tool === tool) throw new StepgateError("SCOPE_INVALID", { tool });
  const constraint: Constraint = { constraint_type: "schema_digest", sha256: definition.digest };
  return { [definition.tool]: { [DEFINITION_ARGUMENT]: constraint } };
}

/**
 * A scope cut by `limit` and `egress` obligations and by the step's own budget; it is never wider than before.
 *
 * A limit that the scope does not have yet is added: below it the adapter's own default still applies.
 *
 * @throws {StepgateError} SCOPE_INVALID for an obligation whose properties cannot be read: a limit that is not
 * understood must not read as no limit.
 */
export function narrowScope(
  scope: Scope,
  obligations: readonly Obligation[],
  budget: StepPolicy["budget"] | undefined,
): Scope {
  return obligations.reduce(obey, limited(scope, budget ?? {}));
}

function obey(scope: Scope, obligation: Obligation): Scope {
  switch (obligation.type) {
    case "limit":
      return limited(scope, readLimits(obligation));
    case "egress":
      return { ...scope, egress: intersectHosts(scope.egress, readHosts(obligation)) };
    case "notify":
    case "retain":
    case "require_approval":
    case "mask_output":
      return scope;
  }
}

function limited(scope: Scope, limits: Partial<ScopeLimits>): Scope {
  const lower = LIMIT_NAMES.flatMap((name) => {
    const [before, wanted] = [scope.limits[name], limits[name]];
    return wanted === undefined || (before !== undefined && before <= wanted) ? [] : [[name, wanted] as const];
  });
  return lower.length === 0 ? scope : { ...scope, limits: { ...scope.limits, ...Object.fromEntries(lower) } };
}

function readLimits({ id, properties }: Obligation): Partial<ScopeLimits> {
  const names: readonly string[] = LIMIT_NAMES;
  for (const [name, value] of Object.entries(properties))
    if (!names.includes(name) || !isCount(value)) throw unreadable(id, name);
  return properties as JsonObject & Partial<ScopeLimits>;
}

function readHosts({ id, properties }: Obligation): readonly string[] {
  const { hosts, ...others } = properties;
  if (!isArrayOf(hosts, isText) || !hosts.every((host) => readHost(host) !== undefined)) throw unreadable(id, "hosts");
  for (const name of Object.keys(others)) throw unreadable(id, name);
  return hosts;
}

function unreadable(obligation: string, property: string): StepgateError {
  return new StepgateError("SCOPE_INVALID", { obligation, property });
}
