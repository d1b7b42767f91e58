/**
 * Quotas are made, changed and taken away while steps run: what is held and what is used stays true, and no slot is lost.
 */
import t from "tap";
import type { JsonObject } from "../../src/core/json.ts";
import type { ExecutorResult } from "../../src/executors/contract.ts";
import type { Pool } from "../../src/storage/pool.ts";
import { APPEND_AUDIT } from "../../src/storage/statements/tenants.ts";
import { makeTenantStore } from "../../src/storage/tenant-store.ts";
import { allow, done, makeSink, type Rig, startRig } from "../acceptance/rig.ts";
import { forEachDatabase } from "../storage/test-database.ts";

const settings = { runtime_pack: "open", required_guardrails: [] };
const TOKENS = { id: "day", unit: "tokens", window: "lifetime", limit: 1000 };
const SLOTS = { id: "slots", unit: "concurrent_steps", window: "lifetime", limit: 2 };

async function put(rig: Rig, quotas: readonly JsonObject[], { put } = rig.stepgate.rooms.tenants): Promise<void> {
  await put({
    tenantUid: rig.tenantUid,
    tenantId: "default",
    weight: 1,
    isPaused: false,
    settings,
    quotas: quotas as never,
    actor: "test",
  });
}

const usage = (rig: Rig) =>
  rig.rows("select quota_id, used, reserved, overrun, quota_limit from stepgate.quota_usage order by quota_id");

/** A sink whose calls end when the test says so, in any order. */
function makeGates() {
  const open = new Map<string, (result: ExecutorResult) => void>();
  const sink = makeSink(
    ({ stepId }) =>
      new Promise<ExecutorResult>((resolve) => {
        open.set(stepId, resolve);
      }),
  );
  const finish = (id: string, tokens: number): void => open.get(id)?.(done(null, { tokens, usdMicros: 0 }));
  return { adapter: sink.adapter, calls: sink.calls, finish };
}

const asking = (id: string, tokens: number) => ({
  id,
  type: "sink",
  inputs: {},
  execution: { cost_hint: { tokens } },
});

t.test("a quota made while a step runs counts what started after it, all of it, and nothing else", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const gates = makeGates();
    const rig = await startRig(t, { database, packs: { open: allow }, adapters: [gates.adapter], tenant: settings });
    const old = await rig.submit({ steps: [asking("old", 100)] });
    await rig.until(old, (steps) => steps.get("old")?.state === "running" && gates.calls.length === 1);
    await put(rig, [TOKENS, SLOTS]);
    const young = await rig.submit({ steps: [asking("young", 100)] });
    await rig.until(young, () => gates.calls.length === 2);
    gates.finish("old", 90);
    await rig.ended(old);
    t.match(await usage(rig), [
      { quota_id: "day", used: 0, reserved: 100 },
      { quota_id: "slots", used: 0, reserved: 1 },
    ]);
    gates.finish("young", 80);
    await rig.ended(young);
    t.match(await usage(rig), [
      { quota_id: "day", used: 80, reserved: 0 },
      { quota_id: "slots", used: 0, reserved: 0 },
    ]);
  });
});

/** Tells of quotas that are written, and commits them once it may. */
function heldBack(pool: Pool, mayCommit: Promise<void>, onWritten: () => void): Pool {
  return {
    ...pool,
    within: (tenantUid) => {
      const scope = pool.within(tenantUid);
      return {
        ...scope,
        transaction: (act) =>
          scope.transaction((connection) =>
            act({
              query: async (text, values) => {
                if (text === APPEND_AUDIT) {
                  onWritten();
                  await mayCommit;
                }
                return connection.query(text, values);
              },
            }),
          ),
      };
    },
  };
}

t.test("a step that starts while a quota is being made is held in it whole, or not at all", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const gates = makeGates();
    const rig = await startRig(t, { database, packs: { open: allow }, adapters: [gates.adapter], tenant: settings });
    const [commit, written] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const store = makeTenantStore(heldBack(database.pool, commit.promise, written.resolve));
    const making = put(rig, [TOKENS, SLOTS], store);
    await written.promise;
    const racing = await rig.submit({ steps: [asking("racing", 600)] });
    for (let waiting = 0; waiting === 0 && gates.calls.length === 0; ) {
      waiting = (await rig.rows("select 1 from pg_locks where locktype = 'advisory' and not granted")).length;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    commit.resolve();
    await making;
    await rig.until(racing, () => gates.calls.length === 1);
    const young = await rig.submit({ steps: [asking("young", 300)] });
    await rig.until(young, () => gates.calls.length === 2);
    const held = await usage(rig);
    t.match(held, [
      { quota_id: "day", used: 0, reserved: 900 },
      { quota_id: "slots", used: 0, reserved: 2 },
    ]);
    gates.finish("racing", 10);
    await rig.ended(racing);
    t.match(await usage(rig), [
      { quota_id: "day", used: 10, reserved: 300 },
      { quota_id: "slots", used: 0, reserved: 1 },
    ]);
    gates.finish("young", 10);
    await rig.ended(young);
    t.match(await usage(rig), [{ used: 20, reserved: 0 }, { reserved: 0 }]);
  });
});

for (const [title, between] of [
  ["taken away and made again", []],
  [
    "given another meaning and back",
    [
      { ...TOKENS, unit: "usd_micros" },
      { ...SLOTS, unit: "tokens" },
    ],
  ],
] as const) {
  t.test(`a quota ${title} while a step runs holds nothing for ever`, async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const gates = makeGates();
      const rig = await startRig(t, {
        database,
        packs: { open: allow },
        adapters: [gates.adapter],
        tenant: { ...settings, quotas: [TOKENS, SLOTS] },
      });
      const runUid = await rig.submit({ steps: [asking("a", 100), asking("b", 100)] });
      await rig.until(runUid, () => gates.calls.length === 2);
      await put(rig, between);
      gates.finish("a", 50);
      await rig.until(runUid, (steps) => steps.get("a")?.state === "succeeded");
      await put(rig, [TOKENS, SLOTS]);
      gates.finish("b", 50);
      await rig.ended(runUid);
      for (const { reserved } of await usage(rig)) t.equal(reserved, 0);
      const next = await rig.submit({ steps: [asking("c", 100), asking("d", 100)] });
      await rig.until(next, () => gates.calls.length === 4);
      gates.finish("c", 1);
      gates.finish("d", 1);
      await rig.ended(next);
      t.match(await usage(rig), [{ used: 2, reserved: 0 }, { reserved: 0 }], "all slots are there again");
    });
  });
}

t.test(
  "a limit lowered below what runs is shown as overrun, refuses what comes, and breaks no settlement",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const gates = makeGates();
      const rig = await startRig(t, {
        database,
        packs: { open: allow },
        adapters: [gates.adapter],
        tenant: { ...settings, quotas: [TOKENS] },
      });
      const running = await rig.submit({ steps: [asking("a", 600)] });
      await rig.until(running, () => gates.calls.length === 1);
      await put(rig, [{ ...TOKENS, limit: 100 }]);
      const late = await rig.submit({ steps: [asking("b", 50)] });
      await rig.ended(late);
      t.match((await rig.steps(late)).get("b"), { errorKind: "quota_exceeded", attemptsMade: 0 });
      gates.finish("a", 900);
      t.equal((await rig.ended(running)).status, "succeeded");
      t.match(await usage(rig), [{ used: 900, reserved: 0, overrun: 800, quota_limit: 100 }]);
    });
  },
);

t.test("a usage row made under a limit that has changed meanwhile takes the new one", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink(() => done(null, { tokens: 70, usdMicros: 0 }));
    const rig = await startRig(t, {
      database,
      packs: { open: allow },
      adapters: [sink.adapter],
      tenant: { ...settings, quotas: [TOKENS] },
    });
    // what a batch leaves behind that read the limit just before it was raised
    await rig.rows(
      "insert into stepgate.quota_usage (tenant_uid, quota_id, window_start, quota_limit) values ($1, 'day', '-infinity', 10)",
      [rig.tenantUid],
    );
    const runUid = await rig.submit({ steps: [asking("a", 100)] });
    t.equal((await rig.ended(runUid)).status, "succeeded");
    t.match(await usage(rig), [{ used: 70, reserved: 0, overrun: 0, quota_limit: 1000 }]);
  });
});

t.test("windows that are over are not locked by every batch", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink(() => done(null, { tokens: 1, usdMicros: 0 }));
    const minute = { id: "minute", unit: "tokens", window: "minute", limit: 1000 };
    const rig = await startRig(t, {
      database,
      packs: { open: allow },
      adapters: [sink.adapter],
      tenant: { ...settings, quotas: [minute] },
    });
    await rig.rows(
      "insert into stepgate.quota_usage (tenant_uid, quota_id, window_start, quota_limit) select $1, 'minute', date_trunc('minute', now()) - n * interval '1 minute', 1000 from generate_series(2, 50) n",
      [rig.tenantUid],
    );
    await database.pool.transaction(async (other) => {
      await other.query(
        "select 1 from stepgate.quota_usage where window_start < now() - interval '5 minutes' for update",
      );
      const runUid = await rig.submit({ steps: [asking("a", 10)] });
      t.equal((await rig.ended(runUid)).status, "succeeded", "while somebody else holds the old windows");
    });
  });
});
