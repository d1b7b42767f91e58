/**
 * Rebuilding one run by hand: the database of this configuration, the run's log, its rows put back (main.ts for one command).
 *
 * Beside a running service or without one. Not here: what is put back (runs/rebuild-run.ts).
 */
import { systemClock } from "./core/clock.ts";
import { StepgateError } from "./core/errors.ts";
import type { RunUid } from "./core/ids.ts";
import { openDatabase } from "./main-database.ts";
import type { StartInput } from "./main-input.ts";
import { makeReadManifest } from "./runs/manifest.ts";
import { makeRebuildRun, type RebuiltRun } from "./runs/rebuild-run.ts";
import { makeRebuildStore } from "./storage/rebuild-store.ts";
import { makeRunStore } from "./storage/run-store.ts";
import { makeTenantStore } from "./storage/tenant-store.ts";

/**
 * Puts back the rows of a run of a tenant.
 *
 * @throws {StepgateError} NOT_FOUND for no such tenant, the codes of `openDatabase` and of the rebuilding (runs/rebuild-run.ts).
 */
export async function rebuildRun(
  input: StartInput,
  { tenantId, runUid, actor }: { readonly tenantId: string; readonly runUid: RunUid; readonly actor: string },
): Promise<RebuiltRun> {
  const stops: (() => Promise<unknown>)[] = [];
  const time = { monotonicMs: systemClock.monotonicMs, observe: () => undefined };
  try {
    // as the worker's role: what it may delete, the gateway's may not
    const { workerPool } = await openDatabase(input, time, stops);
    const tenant = await makeTenantStore(workerPool).find(tenantId);
    if (tenant === undefined) throw new StepgateError("NOT_FOUND", { tenant_id: tenantId });
    const rebuild = makeRebuildRun({
      store: { ...makeRunStore(workerPool), ...makeRebuildStore(workerPool) },
      readManifest: makeReadManifest(),
      maxLostAttempts: input.config.scheduler.maxLostAttempts,
    });
    return await rebuild(tenant.tenantUid, runUid, actor);
  } finally {
    for (const stop of stops) await stop();
  }
}
