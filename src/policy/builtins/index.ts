import type { TextBuiltin } from "../host-builtin.ts";
export const TYPESCRIPT_BUILTINS: ReadonlyMap<string, TextBuiltin> = new Map();
