/**
 * Whether a scope covers what a step is about to do, in every dimension (spec 04, capability token).
 *
 * In: a scope that was read (read-scope.ts) and a demand. Out: every reason why not. Not here: making scopes
 * (narrow-scope.ts).
 */
import {
  type Constraint,
  DEFINITION_ARGUMENT,
  type Scope,
  type ScopeDemand,
  type ScopeLimits,
  type TokenReason,
} from "../core/capability.ts";
import type { JsonValue } from "../core/json.ts";
import { meetsConstraint, meetsDigest } from "./constraint.ts";
import { isCount } from "./form.ts";
import { isHostCovered } from "./host.ts";
import { orderedReasons } from "./read-scope.ts";

/** The dimensions of a scope's limits, with the reason for going over each. */
export const LIMIT_REASONS = {
  calls: "limit_calls",
  tokens: "limit_tokens",
  usd_micros: "limit_usd_micros",
  wall_ms: "limit_wall_ms",
  bytes_out: "limit_bytes_out",
} as const satisfies Record<keyof ScopeLimits, TokenReason>;

export const LIMIT_NAMES = Object.keys(LIMIT_REASONS) as readonly (keyof ScopeLimits)[];

/**
 * Every dimension in which a demand is not covered; nothing when it fits.
 *
 * `salt` is that of the request digest; commitments are checked under it. A limit that the demand names and the scope
 * does not is refused: an absent limit is no permission.
 *
 * @throws {StepgateError} JSON_INVALID when an argument is not JSON.
 */
export function demandFits(scope: Scope, demand: ScopeDemand, salt: Uint8Array): readonly TokenReason[] {
  const reasons: TokenReason[] = [];
  if (!scope.actions.includes(demand.action)) reasons.push("action");
  if (!scope.locations.includes(demand.location)) reasons.push("location");
  const { tool, definition } = demand;
  reasons.push(
    ...argumentReasons(scope, {
      tool,
      names: Object.keys(demand.arguments).filter((name) => demand.arguments[name] !== undefined),
      isMet: (name, constraint) => meetsConstraint(constraint, demand.arguments[name] as JsonValue, salt),
    }),
  );
  if (definition !== undefined)
    reasons.push(
      ...argumentReasons(scope, {
        tool: definition.tool,
        names: [DEFINITION_ARGUMENT],
        isMet: (_name, constraint) => meetsDigest(constraint, definition.digest),
      }),
    );
  for (const name of LIMIT_NAMES) {
    const wanted = demand.limits[name];
    const allowed = scope.limits[name];
    if (wanted === undefined) continue;
    if (allowed === undefined || !isCount(wanted) || wanted > allowed) reasons.push(LIMIT_REASONS[name]);
  }
  if (!demand.egress.every((host) => isHostCovered(host, scope.egress))) reasons.push("egress");
  if (!demand.data.every((label) => scope.data.includes(label))) reasons.push("data");
  return orderedReasons(reasons);
}

/** Closed world: each constrained argument must be there and meet its constraint, and no other may be there. */
function argumentReasons({ tools }: Scope, { tool, names, isMet }: NamedArguments): readonly TokenReason[] {
  // names are compared as bytes and as own members: `constructor` is no tool that every scope has
  const constraints = Object.hasOwn(tools, tool) ? tools[tool] : undefined;
  if (constraints === undefined) return ["tool"];
  const reasons: TokenReason[] = [];
  for (const [name, constraint] of Object.entries(constraints)) {
    if (!names.includes(name)) reasons.push("argument_missing");
    else if (!isMet(name, constraint)) reasons.push("argument");
  }
  if (names.some((name) => !Object.hasOwn(constraints, name))) reasons.push("argument_unnamed");
  return reasons;
}

interface NamedArguments {
  readonly tool: string;
  readonly names: readonly string[];
  readonly isMet: (name: string, constraint: Constraint) => boolean;
}
