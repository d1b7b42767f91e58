/**
 * `stepgate runs rebuild`: puts back the rows of one run from its manifest and its log (spec 00, one log per run).
 *
 * In: the run. Out: its projection, and the rows replaced in one transaction. Not here: what the rows hold
 * (projected-rows.ts), SQL (storage/).
 */
import { StepgateError } from "../core/errors.ts";
import type { Digest, RunUid, TenantUid } from "../core/ids.ts";
import { requiredText } from "./event-data.ts";
import type { makeReadManifest } from "./manifest.ts";
import type { RebuildStore, RunStore } from "./ports.ts";
import { projectRows } from "./projected-rows.ts";
import type { ProjectedRun } from "./projected-run.ts";
import { projectRun } from "./projection.ts";
import { readLog } from "./seal-runs.ts";

export interface RebuildDeps {
  readonly store: Pick<RunStore, "events" | "readManifest"> & RebuildStore;
  readonly readManifest: ReturnType<typeof makeReadManifest>;
}

/**
 * Makes the rebuilding of one run; safe while it is under way, and as often as one likes.
 *
 * @throws {StepgateError} (the rebuilding) RUN_NOT_FOUND without events or run, the codes of `readManifest` and
 *   `projectRun`, LOG_CONFLICT when the log grew meanwhile: nothing was changed, try again.
 */
export function makeRebuildRun({ store, readManifest }: RebuildDeps) {
  return async (tenantUid: TenantUid, runUid: RunUid): Promise<ProjectedRun> => {
    const events = await Array.fromAsync(readLog(store, tenantUid, runUid));
    const [submitted] = events;
    if (submitted === undefined) throw new StepgateError("RUN_NOT_FOUND", { run_uid: runUid });
    const manifestId = requiredText(submitted, "manifest_id") as Digest;
    const stored = await store.readManifest(tenantUid, manifestId);
    if (stored === undefined) throw new StepgateError("MANIFEST_NOT_FOUND", { manifest_id: manifestId });
    const { manifest } = readManifest(stored, manifestId);
    const run = projectRun(runUid, manifest, events);
    const outcome = await store.replaceProjection({
      tenantUid,
      runUid,
      expectedSeq: run.headSeq,
      rows: projectRows({ tenantUid, run, manifest, events }),
    });
    if (outcome === "missing") throw new StepgateError("RUN_NOT_FOUND", { run_uid: runUid });
    if (outcome === "conflict") throw new StepgateError("LOG_CONFLICT", { run_uid: runUid, expected_seq: run.headSeq });
    return run;
  };
}
