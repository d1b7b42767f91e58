/**
 * Tools: what is registered under a name, and the version that a run is bound to (spec 09).
 *
 * Here: the words that tenancy, runs, gate and executors share. Not here: what a definition must be
 * (executors/tool/check-definition.ts), storing it (tenancy/).
 */
import type { ScopeLimits } from "./capability.ts";
import type { Digest } from "./ids.ts";
import type { IsolationLevel } from "./isolation.ts";
import type { JsonObject } from "./json.ts";
import type { ToolSecret } from "./secret.ts";

/** The step type that routes to a registration's executor. */
export const TOOL_TYPE = "tool";

export const EFFECT_CLASSES = ["none", "read", "write"] as const;
export type EffectClass = (typeof EFFECT_CLASSES)[number];

/** Tells whether a value names one; plugins and old rows are not of our compiler. */
export function isEffectClass(value: unknown): value is EffectClass {
  return EFFECT_CLASSES.some((name) => name === value);
}

/** A tool as decisions, records and approvals name it. */
export interface ToolRef {
  readonly name: string;
  readonly version: number;
  /** SHA-256 of the definition's canonical form. */
  readonly digest: Digest;
}

/** For steps that name none. */
export interface ToolDefaults {
  readonly tokens?: number;
  readonly usd_micros?: number;
  readonly deadline_ms?: number;
}

/** The version that one step is bound to from its submission on, with what it takes over from the definition. */
export interface ToolPin extends ToolRef {
  readonly defaults: ToolDefaults;
}

/** A definition in its canonical form: every default is written out, so that two ways to say the same have one digest. */
export interface ToolDefinition {
  readonly name: string;
  readonly version: number;
  readonly executor: string;
  /** The executor's inputs, with holes for the arguments (executors/tool/bind-arguments.ts). */
  readonly config: JsonObject;
  readonly input_schema: JsonObject;
  readonly output_schema?: JsonObject;
  readonly effects: EffectClass;
  readonly idempotent: boolean;
  readonly min_isolation?: IsolationLevel;
  readonly egress?: readonly string[];
  /** By name; absent where it asks for none. */
  readonly secrets?: readonly ToolSecret[];
  readonly defaults: ToolDefaults;
  readonly limits: Partial<ScopeLimits>;
}

/** The definition as plain JSON: what is stored, hashed and bound into tokens. */
export function definitionJson(definition: ToolDefinition): JsonObject {
  // an interface is a JSON object in all but the compiler's eyes
  return definition as ToolDefinition & JsonObject;
}

/** The members of a record, an event or a pack input that name a tool. */
export function toolMembers({ name, version, digest }: ToolRef): JsonObject {
  return { digest, name, version };
}
