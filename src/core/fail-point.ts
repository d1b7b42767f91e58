/**
 * Fail points: named places where a test stops the process or returns cleanly, once (spec 08, fail points).
 *
 * Off unless configured. Not here: the tests that iterate the registry (test/crash/).
 */
export const FAIL_POINTS = [
  "after_claim",
  "after_guardrails",
  "after_decide",
  "after_mint",
  "before_admit",
  "after_admit",
  "before_execute",
  "after_execute",
  "after_inspect",
  "before_settle",
  "after_settle",
  "before_publish",
  "after_publish",
  "after_fact",
  "after_child_spawn",
  "before_seal",
  "after_seal",
] as const;
export type FailPoint = (typeof FAIL_POINTS)[number];

export interface FailPoints {
  /** The one point that is armed, or undefined. */
  readonly armed: FailPoint | undefined;
  readonly trigger: (point: FailPoint) => void;
}

export const noFailPoints: FailPoints = { armed: undefined, trigger: () => undefined };

/** Arms one point; reaching it kills this process with SIGKILL, as a power cut would. */
export function killAt(point: FailPoint): FailPoints {
  return { armed: point, trigger: () => process.kill(process.pid, "SIGKILL") };
}

/** Marks a point in the code; does nothing unless it is armed. */
export function failPoint(points: FailPoints, point: FailPoint): void {
  if (points.armed === point) points.trigger(point);
}
