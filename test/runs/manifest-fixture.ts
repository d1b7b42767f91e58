/**
 * Manifests for tests.
 *
 * Not here: tests.
 */
import { buildManifest, type ManifestParts, type StoredManifest } from "../../src/runs/manifest.ts";
import { normalizeRunConfig } from "../../src/runs/run-config.ts";
import type { StepSubmission } from "../../src/runs/step-submission.ts";
import { planOf } from "./plan-fixture.ts";

export const build = { version: "0.1.0", commit: "abcdef0" };
export const executors = new Map([
  ["noop", "1"],
  ["process", "2"],
  ["http", "3"],
]);

export function manifestOf(
  steps: readonly StepSubmission[],
  edges: readonly (readonly [string, string])[] = [],
  more: Partial<ManifestParts> = {},
): StoredManifest {
  return buildManifest({
    opId: undefined,
    kind: "dag",
    plan: planOf(steps, edges),
    runConfig: normalizeRunConfig(),
    executors,
    build,
    ...more,
  });
}
