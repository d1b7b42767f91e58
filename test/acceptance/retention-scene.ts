/**
 * A Stepgate whose history is maintained as of a moment in the years to come, and what tests look at.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Test } from "tap";
import { systemClock } from "../../src/core/clock.ts";
import type { RunUid, TenantUid } from "../../src/core/ids.ts";
import { isJsonObject, type JsonObject } from "../../src/core/json.ts";
import { checkAuditChain } from "../../src/evidence/audit-chain.ts";
import { verifyBundle } from "../../src/evidence/verify-bundle.ts";
import { makeExportEvidence } from "../../src/runs/export-evidence.ts";
import { makeMaintain } from "../../src/scheduler/retention.ts";
import { makeAuditStore } from "../../src/storage/audit-store.ts";
import type { Connection } from "../../src/storage/pool.ts";
import { makeHistoryStore } from "../../src/storage/retention-store.ts";
import type { TestDatabase } from "../storage/test-database.ts";
import { type Decide, done, makeSink, type Rig, startRig } from "./rig.ts";

const DAY_MS = 86_400_000;
/** Decision inputs stay with their runs: decision-inputs.test.ts is about them. */
const settings = { runtime_pack: "open", required_guardrails: [], retention_days: 30, decision_input_days: 36_500 };

/** Maintains as of so many days from now. */
export function maintainer(
  connection: Connection,
  { maxMoved = 1000, onProgress = () => undefined }: { maxMoved?: number; onProgress?: () => void } = {},
) {
  const maintain = makeMaintain({
    store: makeHistoryStore(connection),
    windowDays: 100,
    maxMoved,
    isDropping: true,
    isStopping: () => false,
    clock: systemClock,
    pause: (ms) => sleep(ms),
    onProgress,
  });
  return (days: number) => maintain(Date.now() + days * DAY_MS);
}

/** A step's slug says what the pack wants of it. */
const decide: Decide = ({ step }) => {
  const slug = isJsonObject(step) ? step["slug"] : undefined;
  if (slug === "ask") return { effect: "hold", reasons: ["ask"] };
  if (slug === "law")
    return { effect: "allow", obligations: [{ id: "law", type: "retain", properties: { days: 400 } }] };
  return { effect: "allow" };
};

export async function startAll(t: Test, database: TestDatabase, onLogLine?: (line: string) => void): Promise<Rig> {
  const sink = makeSink(() => done({ found: "secret" }, { tokens: 1, usdMicros: 1 }));
  const rig = await startRig(t, {
    database,
    packs: { open: decide },
    adapters: [sink.adapter],
    tenant: settings,
    // only these tests maintain
    env: { STEPGATE_RETENTION: "off" },
    ...(onLogLine === undefined ? {} : { onLogLine }),
  });
  await rig.stepgate.rooms.tenants.putExecutorSettings({
    tenantUid: rig.tenantUid,
    type: "sink",
    settings: {},
    actor: "test",
  });
  return rig;
}

export const step = (id: string, more: JsonObject = {}): JsonObject => ({
  id,
  type: "sink",
  inputs: { secret: id },
  ...more,
});

/** Every table of the schema, without partitions, and how many of its rows hold one of these uuids in any column. */
export async function rowsWith(
  database: TestDatabase,
  uids: readonly string[],
): Promise<Readonly<Record<string, number>>> {
  const { rows: tables } = await database.pool.query<{ name: string }>(
    `select relname as name from pg_class where relnamespace = 'stepgate'::regnamespace and relkind in ('r', 'p')
        and not relispartition order by 1`,
  );
  const found: Record<string, number> = {};
  for (const { name } of tables) {
    const { rows } = await database.pool.query<{ count: number }>(
      `select count(*)::integer as count from stepgate.${name} x where x::text ~ any ($1::text[])`,
      [[...uids]],
    );
    const count = rows[0]?.count ?? 0;
    if (count > 0) found[name] = count;
  }
  return found;
}

export const partitionsOf = async (database: TestDatabase): Promise<readonly string[]> =>
  (
    await database.pool.query<{ name: string }>(
      "select inhrelid::regclass::text as name from pg_inherits where inhparent = 'stepgate.run_events'::regclass order by 1",
    )
  ).rows.map(({ name }) => name.replace("stepgate.", ""));

export async function addTenant(rig: Rig, tenantId: string, retentionDays: number): Promise<TenantUid> {
  const { tenants, ids } = rig.stepgate.rooms;
  const tenantUid = ids.uuid() as TenantUid;
  const put = { weight: 1, isPaused: false, quotas: [], actor: "test", tenantId, tenantUid };
  await tenants.put({ ...put, settings: { ...settings, retention_days: retentionDays } });
  return tenantUid;
}

export async function submitTo(rig: Rig, tenantUid: TenantUid): Promise<RunUid> {
  const { rooms } = rig.stepgate;
  const [key] = await rig.rows("select key_id from stepgate.api_keys limit 1");
  const caller = { keyId: String(key?.["key_id"]), owner: "admin", roles: ["submitter"] };
  const submission = rooms.readRunSubmission({ steps: [step("a")] });
  const { runUid } = await rooms.submitRun({
    tenantUid,
    caller,
    submission,
    idempotencyKey: undefined,
    trace: undefined,
  });
  const endMs = performance.now() + 60_000;
  while ((await rooms.store.find(tenantUid, { runUid }))?.sealRecord === undefined) {
    if (performance.now() > endMs) throw new TypeError("the run was not sealed");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return runUid;
}

export async function exported({ stepgate: { rooms } }: Rig, tenantUid: TenantUid, runUid: RunUid): Promise<string> {
  const { store, records } = rooms;
  return (await makeExportEvidence({ store, records })(tenantUid, { runUid })) ?? "";
}

export function verdictOn({ stepgate }: Rig, bundle: string): string {
  const trustFile = stepgate.rooms.keyRing.trustFile();
  return verifyBundle(bundle, { trustFile, pinnedRoot: undefined, nowMs: Date.now(), onProgress: undefined }).status;
}

/** Maintains in a process of its own, which kills itself after so many transactions that removed something. */
export async function killedMaintenance(database: TestDatabase, after: number): Promise<void> {
  const program = fileURLToPath(new URL("retention-process.ts", import.meta.url));
  const child = spawn(process.execPath, [program], {
    env: { PATH: process.env["PATH"], TARGET: JSON.stringify(database.target), AFTER: String(after) },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const [, signal] = await once(child, "exit");
  if (signal !== "SIGKILL") throw new TypeError("the process was not killed");
}

export async function auditVerdict(database: TestDatabase, tenantUid: TenantUid) {
  const store = makeAuditStore({ within: () => database.pool });
  const head = await store.head(tenantUid);
  return checkAuditChain(await store.rows(tenantUid, 0, 100_000), head ?? { seq: 0, hash: "00".repeat(32) });
}
