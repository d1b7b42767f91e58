/**
 * M2, M9 at database level: every row that is a projection deleted and put back from log and manifest, the run under way
 * going on to the same end (spec 00, one log per run).
 */
import t, { type Test } from "tap";
import type { RunUid } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { ExecutorResult } from "../../src/executors/contract.ts";
import { makeReadManifest } from "../../src/runs/manifest.ts";
import { makeRebuildRun } from "../../src/runs/rebuild-run.ts";
import { makeRebuildStore } from "../../src/storage/rebuild-store.ts";
import { forEachDatabase } from "../storage/test-database.ts";
import { deskOf, holdUntilApproved, openApproval } from "./approval-desk.ts";
import { verifies } from "./evidence-of.ts";
import { done, makeSink, type Rig, redactCard, startRig } from "./rig.ts";
import { call, GREETING, register } from "./tool-desk.ts";

const tenant = { runtime_pack: "runtime", required_guardrails: [] };
const gold = { tier: "gold", queue_target_ms: 1000, priority_boost: 3, error_budget_ppm: 250_000 };
const step = (id: string, more: JsonObject = {}) => ({ id, type: "sink", inputs: {}, ...more });
const broken = (retryable: boolean): ExecutorResult => ({
  ok: false,
  kind: "execution_error",
  retryable,
  code: "boom",
  message: "it broke",
  usage: { tokens: 2, usdMicros: 1 },
  checkpoint: { at: 1 },
  toolEvents: [],
});

const PROJECTION = ["ready_steps", "steps", "step_edges", "run_heads", "breakpoints", "budgets"] as const;
type Rows = Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>;

function rebuilder(rig: Rig) {
  const { workerPool: pool, store } = rig.stepgate.rooms;
  const rebuild = makeRebuildRun({
    store: { ...store, ...makeRebuildStore(pool) },
    readManifest: makeReadManifest(),
    maxLostAttempts: 5,
  });
  return (runUid: RunUid) => rebuild(rig.tenantUid, runUid, "test");
}

/** All rows of a run's projection as text, times to the millisecond, in which the log is exact. */
async function projection(rig: Rig, runUid: RunUid): Promise<Rows> {
  const read = async (table: string, where = "") => {
    const rows = await rig.rows(
      `select to_jsonb(r) as row from stepgate.${table} r where run_uid = $1 ${where} order by to_jsonb(r)::text`,
      [runUid],
    );
    return rows.map((row) => JSON.parse(String(row["row"])) as Record<string, unknown>).map(normal);
  };
  const tables = await Promise.all(PROJECTION.map(async (table) => [table, await read(table)] as const));
  const runs = await rig.rows("select started_at, ended_at, final_snapshot_id from stepgate.runs where run_uid = $1", [
    runUid,
  ]);
  return { ...Object.fromEntries(tables), runs: runs.map(normal) };
}

function normal(row: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(row)
      // what is of the moment: until when pressure or a quota defers a step, the epoch of a lease that was given back
      .filter(([name]) => !(row["state"] === "queued" && ["not_before", "is_later", "lease_epoch"].includes(name)))
      .filter(([name]) => name !== "created_at" && !name.startsWith("deferred_"))
      .map(([name, value]) => [
        name,
        /_at$|^not_before$/.test(name) && typeof value === "string" ? instant(value) : value,
      ]),
  );
}

/** A time in milliseconds; anything else, as `infinity`, as it is. */
function instant(text: string): string | number {
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? text : ms;
}

async function deleteProjection(rig: Rig, runUid: RunUid): Promise<void> {
  for (const table of PROJECTION) await rig.rows(`delete from stepgate.${table} where run_uid = $1`, [runUid]);
  await rig.rows(
    "update stepgate.runs set started_at = null, ended_at = null, final_snapshot_id = null where run_uid = $1",
    [runUid],
  );
  t.equal((await rig.rows("select 1 from stepgate.run_heads where run_uid = $1", [runUid])).length, 0);
}

function sameRows(t: Test, found: Rows, wanted: Rows, why: string): void {
  for (const [table, rows] of Object.entries(wanted)) {
    t.same(near(found[table] ?? [], rows), rows, `${why}: ${table}`);
  }
}

/** Times that differ by the cut of a millisecond count as the same. */
function near(found: readonly Readonly<Record<string, unknown>>[], wanted: Rows[string]): Rows[string] {
  return found.map((row, index) =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => {
        const other = wanted[index]?.[name];
        return [
          name,
          typeof value === "number" && typeof other === "number" && value > 1e11 && Math.abs(value - other) <= 1
            ? other
            : value,
        ];
      }),
    ),
  );
}

t.test("an ended run of every kind of end comes back row by row", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink(({ stepId, attempt }) => {
      if (stepId === "flaky") return attempt === 1 ? broken(true) : done({ ok: 1 }, { tokens: 3, usdMicros: 2 });
      if (stepId === "bad") return broken(false);
      return { ...done({ id: stepId }), provider: "prov", providerVersion: "2" } as ExecutorResult;
    });
    const rig = await startRig(t, {
      database,
      packs: {
        runtime: (input) =>
          (input["step"] as JsonObject)["id"] === "no" ? { effect: "deny", reasons: ["not_you"] } : redactCard(input),
      },
      adapters: [sink.adapter],
      tenant,
    });
    const operator = await deskOf(rig, "olga", "operator");
    const greeting = { ...GREETING, defaults: { tokens: 7, usd_micros: 1, deadline_ms: 60_000 } };
    await register({ operator }, "greet", greeting);
    const runUid = await rig.submit({
      steps: [
        step("named", call("greet", { name: "ada" })),
        step("flaky", {
          execution: { max_attempts: 2, retry_backoff_ms: 1, cost_hint: { tokens: 5 } },
          // more than its tier grants
          policy: { slo: { ...gold, queue_target_ms: 1, priority_boost: 30_000 } },
        }),
        step("card", { inputs: { card: "4111", from: { $from: "flaky", pointer: "/ok" } } }),
        step("bad", { execution: { compensation: { step: "undo" }, cost_hint: { tokens: 50 } } }),
        step("after"),
        step("no", { slug: "refused", execution: { deadline_ms: 60_000 } }),
        step("undo", { inputs: { what: { $from: "bad", pointer: "/inputs" } } }),
        step("saga", { execution: { compensation: { step: "undo-saga", on: "failure_of_run" } } }),
        step("undo-saga"),
      ],
      edges: [
        ["flaky", "card"],
        ["bad", "after"],
      ],
      budget: { tokens: 100, usd_micros: 10 },
      priority: 7,
    });
    await register({ operator }, "greet", { ...greeting, effects: "write" });
    const run = await rig.ended(runUid);
    t.equal(run.status, "failed");
    t.match(await rig.rows("select spec from stepgate.steps where run_uid = $1 and step_id = 'named'", [runUid]), [
      { spec: /"tool": \{"name": "greet", "digest": "[0-9a-f]{64}", "version": 1\}/ },
    ]);
    const before = await projection(rig, runUid);
    await rebuilder(rig)(runUid);
    sameRows(t, await projection(rig, runUid), before, "over what is there");
    await deleteProjection(rig, runUid);
    await rebuilder(rig)(runUid);
    sameRows(t, await projection(rig, runUid), before, "from nothing");
    t.match(await rig.stepgate.rooms.store.find(rig.tenantUid, { runUid }), {
      status: "failed",
      finalSnapshotId: run.finalSnapshotId,
      budget: run.budget,
      headSeq: run.headSeq,
    });
    await verifies(t, rig, runUid);
  });
});

t.test(
  "a run under way comes back and goes on to the same end, its running step settling as if nothing had been",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      let release = (): void => undefined;
      const sink = makeSink(({ stepId, attempt }) => {
        if (stepId === "long") {
          return new Promise<ExecutorResult>((resolve) => {
            release = () => resolve(done({ long: true }, { tokens: 4, usdMicros: 0 }));
          });
        }
        if (stepId === "flaky" && attempt === 1) return broken(true);
        return done({ id: stepId });
      });
      const rig = await startRig(t, { database, packs: { runtime: redactCard }, adapters: [sink.adapter], tenant });
      const { store } = rig.stepgate.rooms;
      const runUid = await rig.submit({
        steps: [
          step("long", { execution: { cost_hint: { tokens: 9 } } }),
          step("first", { inputs: { card: "4111" } }),
          step("flaky", { execution: { max_attempts: 2, retry_backoff_ms: 700 } }),
          step("stop", { policy: { slo: gold } }),
          step("join", {
            inputs: { one: { $from: "long", pointer: "/long" }, two: { $from: "first", pointer: "/id" } },
          }),
        ],
        edges: [
          ["first", "stop"],
          ["long", "join"],
          ["first", "join"],
          ["flaky", "join"],
          ["stop", "join"],
        ],
        budget: { tokens: 100 },
        debug: {
          breakpoints: [
            { target: "step", value: "stop" },
            { target: "step", value: "never" },
          ],
        },
      });
      await rig.until(
        runUid,
        (steps, run) =>
          run.status === "paused_at_step" &&
          steps.get("long")?.state === "running" &&
          steps.get("flaky")?.attemptsMade === 1 &&
          steps.get("flaky")?.state === "queued",
      );
      const before = await projection(rig, runUid);
      await deleteProjection(rig, runUid);
      await rebuilder(rig)(runUid);
      sameRows(t, await projection(rig, runUid), before, "paused, with one step running and one waiting for its retry");
      release();
      await rig.until(runUid, (steps) => steps.get("long")?.state === "succeeded");
      await store.resume(rig.tenantUid, runUid, "test");
      const run = await rig.ended(runUid);
      t.equal(run.status, "succeeded");
      t.match(run.budget, { tokens: { limit: 100, used: 6, reserved: 0 } });
      t.same(
        sink.calls.find(({ stepId }) => stepId === "join")?.spec.inputs,
        { one: true, two: "first" },
        "references still resolve",
      );
      t.match((await rig.steps(runUid)).get("flaky"), { attemptsMade: 2, state: "succeeded" });
      const ended = await projection(rig, runUid);
      await deleteProjection(rig, runUid);
      await rebuilder(rig)(runUid);
      sameRows(t, await projection(rig, runUid), ended, "after the end");
      await verifies(t, rig, runUid);
    });
  },
);

t.test("held, cancelled, pending and parallel-bounded runs come back; what is not there is not made", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink(() => done(null));
    const rig = await startRig(t, {
      database,
      packs: { runtime: (input) => ({ effect: (input["step"] as JsonObject)["id"] === "ask" ? "hold" : "allow" }) },
      adapters: [sink.adapter],
      tenant,
    });
    const { store } = rig.stepgate.rooms;
    const held = await rig.submit({ steps: [step("ask"), step("free"), step("later")], edges: [["ask", "later"]] });
    await rig.until(held, (steps) => steps.get("ask")?.state === "held" && steps.get("free")?.state === "succeeded");
    const waiting = await rig.submit({
      steps: ["a", "b", "c", "d"].map((id) => step(id)),
      run_config: { max_parallel: 2 },
      debug: { breakpoints: [{ target: "type", value: "sink" }] },
    });
    await rig.until(
      waiting,
      (steps, run) => run.status === "paused_at_step" && [...steps.values()].every(({ state }) => state === "queued"),
    );
    const states = new Map<RunUid, Rows>();
    for (const runUid of [held, waiting]) states.set(runUid, await projection(rig, runUid));
    for (const [runUid, before] of states) {
      await deleteProjection(rig, runUid);
      await rebuilder(rig)(runUid);
      sameRows(t, await projection(rig, runUid), before, runUid === held ? "held" : "waiting for room");
    }
    await store.cancel(rig.tenantUid, held, "test");
    t.equal((await rig.ended(held)).status, "cancelled");
    const cancelled = await projection(rig, held);
    await deleteProjection(rig, held);
    await rebuilder(rig)(held);
    sameRows(t, await projection(rig, held), cancelled, "cancelled");
    await store.resume(rig.tenantUid, waiting, "test");
    t.equal((await rig.ended(waiting)).status, "succeeded");
    t.equal(sink.calls.length, 5);
    await t.rejects(rebuilder(rig)("00000000-0000-7000-8000-00000000dead" as RunUid), { code: "RUN_NOT_FOUND" });
  });
});

t.test(
  "a step held, approved while its run was paused, comes back with a deadline that stood still meanwhile",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const sink = makeSink(() => done(null));
      const rig = await startRig(t, {
        database,
        packs: { runtime: holdUntilApproved },
        adapters: [sink.adapter],
        tenant,
      });
      const { store } = rig.stepgate.rooms;
      const bob = await deskOf(rig, "bob", "approver");
      const deadlineMs = 60_000;
      const deadline = step("a", { execution: { deadline_ms: deadlineMs } });
      const approve = async (runUid: RunUid) =>
        t.equal(
          (await bob("POST", `/v1/approvals/${await openApproval(rig, runUid)}`, { decision: "approve" })).status,
          200,
        );
      /** By how much the deadline was put off, and how long the step was held, to the millisecond. */
      const moved = async (runUid: RunUid) =>
        (
          await rig.rows(
            `select stepgate.epoch_ms(s.deadline_at) - stepgate.epoch_ms(s.first_ready_at) - ${deadlineMs} as by_ms,
                  stepgate.epoch_ms(a.decided_at) - stepgate.epoch_ms(a.created_at) as held_ms,
                  stepgate.epoch_ms(clock_timestamp()) - stepgate.epoch_ms(a.created_at) as since_ms
             from stepgate.steps s join stepgate.approvals a on a.tenant_uid = s.tenant_uid and a.run_uid = s.run_uid
            where s.run_uid = $1`,
            [runUid],
          )
        )[0] as { readonly by_ms: number; readonly held_ms: number; readonly since_ms: number };
      const comesBack = async (runUid: RunUid, why: string) => {
        const before = await projection(rig, runUid);
        await deleteProjection(rig, runUid);
        await rebuilder(rig)(runUid);
        sameRows(t, await projection(rig, runUid), before, why);
      };

      const plain = await rig.submit({ steps: [deadline] });
      await approve(plain);
      t.equal((await rig.ended(plain)).status, "succeeded");
      const held = await moved(plain);
      t.ok(Math.abs(held.by_ms - held.held_ms) <= 2 && held.held_ms > 0, JSON.stringify(held));
      await comesBack(plain, "approved and ended");

      const paused = await rig.submit({ steps: [deadline] });
      await openApproval(rig, paused);
      await store.pause(rig.tenantUid, paused, "test");
      await comesBack(paused, "held, and the run paused");
      await approve(paused);
      await comesBack(paused, "approved while paused");
      await store.resume(rig.tenantUid, paused, "test");
      rig.stepgate.rooms.ready.ready();
      t.equal((await rig.ended(paused)).status, "succeeded");
      const both = await moved(paused);
      t.ok(both.by_ms >= both.held_ms && both.by_ms <= both.since_ms, "hold and pause that overlap count once");
      await comesBack(paused, "ended");
      for (const runUid of [plain, paused]) await verifies(t, rig, runUid);
      t.equal(sink.calls.length, 2);
    });
  },
);
