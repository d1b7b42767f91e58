/**
 * Who may what, and when it is asked: keys, tenants, approvals, repeated submissions (spec 00, 01 stage admit, 02, 04).
 */
import t from "tap";
import { isStepgateError } from "../../src/core/errors.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { forEachDatabase } from "../storage/test-database.ts";
import { deskOf } from "./approval-desk.ts";
import { verifies } from "./evidence-of.ts";
import { allow, type Decide, done, makeSink, type Rig, startRig } from "./rig.ts";

const tenant = { runtime_pack: "runtime", required_guardrails: [] };
const step = (id: string, more: JsonObject = {}) => ({ id, type: "sink", inputs: {}, ...more });

async function putTenant(rig: Rig, settings: JsonObject): Promise<void> {
  await rig.stepgate.rooms.tenants.put({
    tenantUid: rig.tenantUid,
    tenantId: "default",
    weight: 1,
    isPaused: false,
    settings,
    quotas: [],
    actor: "test",
  });
}

t.test("a key revoked between submission and admission: the step ends caller_revoked, untouched", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink(() => done(null));
    const rig = await startRig(t, { database, packs: { runtime: allow }, adapters: [sink.adapter], tenant });
    const runUid = await rig.submit({
      steps: [step("a"), step("b")],
      debug: { breakpoints: [{ target: "step", value: "a" }] },
      run_config: { execution_mode: "sequential" },
    });
    await rig.until(runUid, (_, run) => run.status === "paused_at_step");
    await rig.rows("update stepgate.api_keys set revoked_at = now()");
    await rig.stepgate.rooms.store.resume(rig.tenantUid, runUid, "test");
    t.equal((await rig.ended(runUid)).status, "failed");
    t.match(
      [...(await rig.steps(runUid)).values()],
      [
        { state: "failed", errorKind: "caller_revoked", attemptsMade: 0 },
        { state: "failed", errorKind: "caller_revoked", attemptsMade: 0 },
      ],
    );
    t.equal(sink.calls.length, 0);
    await verifies(t, rig, runUid);
  });
});

t.test("a key that expires or is replaced after the submission does not end its runs", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink(() => done(null));
    const rig = await startRig(t, { database, packs: { runtime: allow }, adapters: [sink.adapter], tenant });
    const runUid = await rig.submit({
      steps: [step("a"), step("b")],
      debug: { breakpoints: [{ target: "step", value: "a" }] },
      run_config: { execution_mode: "sequential" },
    });
    await rig.until(runUid, (_, run) => run.status === "paused_at_step");
    await rig.rows("update stepgate.api_keys set expires_at = now() - interval '1 second'");
    await rig.stepgate.rooms.store.resume(rig.tenantUid, runUid, "test");
    t.equal((await rig.ended(runUid)).status, "succeeded");
    t.equal(sink.calls.length, 2);
  });
});

t.test("a tenant changed between decision and admission: the step is decided anew under the new rules", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink(() => done(null));
    let isAsked = (): void => undefined;
    const asked = new Promise<void>((resolve) => {
      isAsked = resolve;
    });
    const rig = await startRig(t, {
      database,
      packs: {
        runtime: () => {
          isAsked();
          return { effect: "allow" };
        },
        stricter: () => ({ effect: "deny", reasons: ["no_longer"] }),
      },
      adapters: [sink.adapter],
      tenant,
    });
    const { workerPool: pool, store } = rig.stepgate.rooms;
    const runUid = await rig.submit({
      steps: [step("a")],
      budget: { tokens: 1 },
      debug: { breakpoints: [{ target: "step", value: "a" }] },
    });
    await rig.until(runUid, (_, run) => run.status === "paused_at_step");
    // claiming needs no budget row, *admit* does: it waits here while the tenant changes
    await pool.transaction(async (connection) => {
      await connection.query("select 1 from stepgate.budgets where run_uid = $1 for update", [runUid]);
      await store.resume(rig.tenantUid, runUid, "test");
      await asked;
      await putTenant(rig, { ...tenant, runtime_pack: "stricter" });
    });
    t.equal((await rig.ended(runUid)).status, "failed");
    t.match((await rig.steps(runUid)).get("a"), {
      errorKind: "policy_denied",
      reasons: ["no_longer"],
      attemptsMade: 0,
    });
    t.equal(sink.calls.length, 0, "nothing ran under rules that no longer held");
    await verifies(t, rig, runUid);
  });
});

t.test("a hold leaves the step held with its record and an open approval, which ends with the run", async (t) => {
  const hold: Decide = ({ step: shown }) =>
    (shown as JsonObject)["id"] === "ask"
      ? {
          effect: "hold",
          reasons: ["needs_approval"],
          obligations: [{ id: "o", type: "require_approval", properties: { role: "operator", ttl_seconds: 600 } }],
        }
      : { effect: "allow" };
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink(() => done(null));
    const rig = await startRig(t, { database, packs: { runtime: hold }, adapters: [sink.adapter], tenant });
    const runUid = await rig.submit({ steps: [step("ask"), step("free")] });
    await rig.until(runUid, (steps) => steps.get("ask")?.state === "held" && steps.get("free")?.state === "succeeded");
    const [approval] = await rig.rows(
      "select step_id, role, state, hold_record, extract(epoch from expires_at - created_at)::integer as ttl from stepgate.approvals where run_uid = $1",
      [runUid],
    );
    t.match(approval, { step_id: "ask", role: "operator", state: "open", ttl: 600 });
    t.match(
      await rig.rows("select kind from stepgate.records where record_id = $1", [String(approval?.["hold_record"])]),
      [{ kind: "hold" }],
    );
    t.match((await rig.events(runUid)).find(({ type }) => type === "step_held")?.data, {
      role: "operator",
      hold_record: approval?.["hold_record"],
    });
    t.equal((await rig.rows("select 1 from stepgate.ready_steps where run_uid = $1", [runUid])).length, 0);
    await rig.stepgate.rooms.store.cancel(rig.tenantUid, runUid, "test");
    t.equal((await rig.ended(runUid)).status, "cancelled");
    t.match(await rig.rows("select state from stepgate.approvals where run_uid = $1", [runUid]), [{ state: "void" }]);
    t.equal(sink.calls.length, 1);
    await verifies(t, rig, runUid, "a run held and cancelled verifies");
  });
});

t.test("an approval by a role that no key can have refuses the step at once: it would wait for nobody", async (t) => {
  const hold: Decide = ({ step: shown, output }) => {
    const [, role] = /^by-(.+)$/.exec(String((shown as JsonObject)["id"])) ?? [];
    if (role === undefined || output !== undefined) return { effect: "allow" };
    const obligations = [{ id: "o", type: "require_approval" as const, properties: { role } }];
    return { effect: "hold", reasons: ["needs_approval"], obligations };
  };
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink(() => done(null));
    const rig = await startRig(t, { database, packs: { runtime: hold }, adapters: [sink.adapter], tenant });
    const [nobodys, answerable] = [
      ["chief", "reader", "submitter", "platform"],
      ["approver", "operator", "admin"],
    ];
    const runUid = await rig.submit({ steps: [...nobodys, ...answerable].map((role) => step(`by-${role}`)) });
    await rig.until(runUid, (steps) =>
      [...steps.values()].every(({ state }) => state === "failed" || state === "held"),
    );
    const steps = await rig.steps(runUid);
    for (const role of nobodys)
      t.match(steps.get(`by-${role}`), {
        state: "failed",
        errorKind: "policy_error",
        reasons: ["needs_approval", "unknown_approver_role"],
        attemptsMade: 0,
      });
    for (const role of answerable) t.match(steps.get(`by-${role}`), { state: "held" }, `the control: ${role}`);
    const submitter = await deskOf(rig, "sam", "submitter");
    const asked = (id: string) => submitter("POST", "/v1/decisions", { boundary: "scheduler", step: step(id) });
    t.match((await asked("by-chief")).json, {
      decision: { effect: "deny", reasons: ["needs_approval", "unknown_approver_role"] },
    });
    t.match((await asked("by-admin")).json, { decision: { effect: "hold" } });
    t.equal(sink.calls.length, 0);
    await rig.stepgate.rooms.store.cancel(rig.tenantUid, runUid, "test");
    await rig.ended(runUid);
    await verifies(t, rig, runUid);
  });
});

t.test("a deny wins over a hold, and a hold where none is possible refuses", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink(() => done({ text: "x" }));
    const rig = await startRig(t, {
      database,
      packs: {
        floor: ({ boundary }) => ({ effect: boundary === "ingress_tool" ? "hold" : "allow" }),
        runtime: () => ({ effect: "deny", reasons: ["never"] }),
        late: ({ boundary }) => ({ effect: boundary === "egress_tool" ? "hold" : "allow" }),
      },
      adapters: [sink.adapter],
      tenant: { runtime_pack: "runtime", required_guardrails: ["floor"] },
    });
    const denied = await rig.submit({ steps: [step("a")] });
    await rig.ended(denied);
    t.match((await rig.steps(denied)).get("a"), { errorKind: "policy_denied", reasons: ["never"] });
    await putTenant(rig, { runtime_pack: "late", required_guardrails: [] });
    const late = await rig.submit({ steps: [step("a")] });
    await rig.ended(late);
    t.match((await rig.steps(late)).get("a"), { errorKind: "output_denied", reasons: ["hold_not_possible"] });
    t.equal((await rig.rows("select 1 from stepgate.approvals")).length, 0);
    for (const runUid of [denied, late]) await verifies(t, rig, runUid);
  });
});

t.test("the same submission twice is one run, another under the same id or key is refused, also at once", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink(() => done(null));
    const rig = await startRig(t, { database, packs: { runtime: allow }, adapters: [sink.adapter], tenant });
    const { rooms } = rig.stepgate;
    const [key] = await rig.rows("select key_id from stepgate.api_keys limit 1");
    const submit = (submission: JsonObject, idempotencyKey?: string) =>
      rooms
        .submitRun({
          tenantUid: rig.tenantUid,
          caller: { keyId: String(key?.["key_id"]), owner: "admin", roles: ["submitter"] },
          submission: rooms.readRunSubmission(submission),
          idempotencyKey,
          trace: undefined,
        })
        .catch((caught: unknown) => {
          if (isStepgateError(caught)) return { code: caught.code };
          throw caught;
        });
    const one = { steps: [step("a", { inputs: { n: 1 } })] };
    const other = { steps: [step("a", { inputs: { n: 2 } })] };
    const first = await submit({ ...one, id: "mine" });
    t.match(first, { isNew: true });
    t.match(await submit({ ...one, id: "mine" }), { ...first, isNew: false });
    t.match(await submit({ ...other, id: "mine" }), { code: "INPUT_MISMATCH" });
    const keyed = await submit(one, "key-1");
    t.match(keyed, { isNew: true });
    t.match(await submit(one, "key-1"), { ...keyed, isNew: false });
    t.match(await submit(other, "key-1"), { code: "IDEMPOTENCY_MISMATCH" });
    for (const [name, together] of [
      ["run id", (submission: JsonObject) => submit({ ...submission, id: "together" })],
      ["idempotency key", (submission: JsonObject) => submit(submission, "together")],
    ] as const) {
      const answers = await Promise.all(Array.from({ length: 8 }, () => together(one)));
      t.equal(answers.filter((answer) => "isNew" in answer && answer.isNew).length, 1, `${name}: one of eight is new`);
      t.equal(
        new Set(answers.map((answer) => ("runUid" in answer ? answer.runUid : "refused"))).size,
        1,
        `${name}: all are told the same run`,
      );
    }
    const mixed = await Promise.all(
      [one, other, one, other].map((submission) => submit({ ...submission, id: "mixed" })),
    );
    t.equal(
      mixed.filter((answer) => "code" in answer && answer.code === "INPUT_MISMATCH").length,
      2,
      "whoever came second is refused",
    );
    t.equal((await rig.rows("select 1 from stepgate.runs")).length, 5);
  });
});
