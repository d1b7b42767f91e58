/** Isolation levels, weakest first (spec 00). What proves each on this machine: executors/process/self-test.ts. */
export const ISOLATION_LEVELS = ["none", "process", "namespaces", "namespaces+seccomp+uid", "wasm", "vm"] as const;
export type IsolationLevel = (typeof ISOLATION_LEVELS)[number];

/** Tells whether `given` is at least as strong as `wanted`. */
export function isAtLeast(given: IsolationLevel, wanted: IsolationLevel): boolean {
  return ISOLATION_LEVELS.indexOf(given) >= ISOLATION_LEVELS.indexOf(wanted);
}
