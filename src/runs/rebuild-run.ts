/**
 * `stepgate run rebuild`: puts back the rows of one run from its manifest and its log (spec 00, one log per run).
 *
 * In: the run. Out: its projection, and the rows replaced in one transaction, with what the log's end entails. Not here: what
 * the rows hold (projected-rows.ts), what is entailed (resume.ts), SQL (storage/).
 */
import { StepgateError } from "../core/errors.ts";
import type { RunEvent } from "../core/event.ts";
import type { Digest, RunUid, StepId, TenantUid } from "../core/ids.ts";
import { requiredText } from "./event-data.ts";
import type { makeReadManifest, StoredManifest } from "./manifest.ts";
import type { OwedChange, RebuildStore, RunStore } from "./ports.ts";
import { projectRows } from "./projected-rows.ts";
import type { ProjectedRun } from "./projected-run.ts";
import { projectRun } from "./projection.ts";
import { beginResume, makePlanResume, type StepAction } from "./resume.ts";
import { readLog } from "./seal-runs.ts";

export interface RebuildDeps {
  readonly store: Pick<RunStore, "events" | "readManifest"> & RebuildStore;
  readonly readManifest: ReturnType<typeof makeReadManifest>;
  /** Losses after which a step fails `lease_exhausted` (spec 00: 5). */
  readonly maxLostAttempts: number;
}

export interface RebuiltRun {
  /** As the log tells it. */
  readonly run: ProjectedRun;
  /** What each step of an open run needs next; none for one that has ended. */
  readonly actions: ReadonlyMap<StepId, StepAction>;
}

/**
 * Makes the rebuilding of one run; safe while it is under way, and as often as one likes.
 *
 * @throws {StepgateError} (the rebuilding) RUN_NOT_FOUND without events or run, the codes of `beginResume`, `planResume` and
 *   `projectRun`, LOG_CONFLICT when the log grew meanwhile: nothing was changed, try again.
 */
export function makeRebuildRun(deps: RebuildDeps) {
  const { store } = deps;
  return async (tenantUid: TenantUid, runUid: RunUid, actor: string): Promise<RebuiltRun> => {
    const events = await Array.fromAsync(readLog(store, tenantUid, runUid));
    const { run, manifest, actions } = await readRun(deps, { tenantUid, runUid, events });
    const outcome = await store.replaceProjection({
      tenantUid,
      runUid,
      expectedSeq: run.headSeq,
      rows: projectRows({ tenantUid, run, manifest: manifest.manifest, events }),
      owed: owedBy(actions),
      actor,
    });
    if (outcome === "missing") throw new StepgateError("RUN_NOT_FOUND", { run_uid: runUid });
    if (outcome === "conflict") throw new StepgateError("LOG_CONFLICT", { run_uid: runUid, expected_seq: run.headSeq });
    return { run, actions };
  };
}

interface RunLog {
  readonly tenantUid: TenantUid;
  readonly runUid: RunUid;
  readonly events: readonly RunEvent[];
}

async function readRun(
  { store, readManifest, maxLostAttempts }: RebuildDeps,
  { tenantUid, runUid, events }: RunLog,
): Promise<RebuiltRun & { readonly manifest: StoredManifest }> {
  const reading = beginResume(runUid, events);
  const manifestId = requiredText(events[0] as RunEvent, "manifest_id") as Digest;
  const stored = await store.readManifest(tenantUid, manifestId);
  if (reading.kind === "open") {
    const { run, manifest, steps } = makePlanResume({ readManifest, maxLostAttempts })(reading, stored);
    return { run, manifest, actions: steps };
  }
  if (stored === undefined) throw new StepgateError("MANIFEST_NOT_FOUND", { manifest_id: manifestId });
  const manifest = readManifest(stored, manifestId);
  return { run: projectRun(runUid, manifest.manifest, events), manifest, actions: new Map() };
}

function owedBy(actions: RebuiltRun["actions"]): readonly OwedChange[] {
  return [...actions].flatMap(([step, action]): readonly OwedChange[] => {
    switch (action.kind) {
      case "skip":
        return [{ step, kind: action.kind, reason: action.reason }];
      case "cancel":
        return [{ step, kind: action.kind }];
      case "schedule_compensation":
        return [{ step, kind: action.kind, origin: action.origin }];
      default:
        return [];
    }
  });
}
