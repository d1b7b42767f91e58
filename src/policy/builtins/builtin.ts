/**
 * The two forms of a builtin that answers a pack's module. Not here: who answers which (host-builtin.ts).
 */
import type { ModuleValues } from "../module-values.ts";

/** Operands and result as value literals (`opa_value_dump`); undefined = undefined, as for errors in non-strict mode. */
export type TextBuiltin = (operands: readonly string[]) => string | undefined;

/** Operands and result as addresses in the module's memory; 0 = undefined. */
export interface InPlaceBuiltin {
  readonly answer: (values: ModuleValues, operands: readonly number[]) => number;
}

export type HostBuiltin = TextBuiltin | InPlaceBuiltin;
