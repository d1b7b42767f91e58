/**
 * Approvals under attack and in races: rows written by hand, several answers at once, answers against expiry, cancel, pause.
 *
 * K4: what no signed record stands behind is a coded refusal, never an allow. Whoever writes into the database here may
 * do all that its owner may.
 */
import t from "tap";
import type { RunUid } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { ExecutorResult } from "../../src/executors/contract.ts";
import { type Call, deskOf, holdUntilApproved, openApproval, submitAs } from "../acceptance/approval-desk.ts";
import { verifies } from "../acceptance/evidence-of.ts";
import { type Decide, done, makeSink, type Rig, startRig } from "../acceptance/rig.ts";
import { forEachDatabase, type TestDatabase } from "../storage/test-database.ts";

const tenant = { runtime_pack: "runtime", required_guardrails: [] };
const step = (more: JsonObject = {}) => ({ id: "a", type: "sink", inputs: {}, ...more });
const failing: ExecutorResult = {
  ok: false,
  kind: "execution_error",
  retryable: true,
  code: "boom",
  message: "it broke",
  usage: { tokens: 0, usdMicros: 0 },
  toolEvents: [],
};

async function startScene(
  t: Parameters<typeof startRig>[0],
  database: TestDatabase,
  runtime: Decide = holdUntilApproved,
) {
  const sink = makeSink(({ spec, attempt }) => (spec.inputs["fails"] === true && attempt === 1 ? failing : done(null)));
  const rig = await startRig(t, {
    database,
    packs: { runtime },
    adapters: [sink.adapter],
    tenant,
    env: { STEPGATE_REAPER_INTERVAL_MS: "50" },
  });
  const [alice, bob, carl] = [
    await deskOf(rig, "alice", "submitter"),
    await deskOf(rig, "bob", "approver"),
    await deskOf(rig, "carl", "approver", "operator"),
  ];
  return { rig, sink, alice, bob, carl };
}

const decide = (by: Call, approvalId: string, decision: "approve" | "reject") =>
  by("POST", `/v1/approvals/${approvalId}`, { decision });

/** Puts a held step back into the queue, as an approval would. */
async function queueByHand(rig: Rig, runUid: RunUid): Promise<void> {
  await rig.rows("select stepgate.save_head(stepgate.queue_step(stepgate.lock_run($1, $2), 'a', 'approved'))", [
    rig.tenantUid,
    runUid,
  ]);
}

const BY_HAND = "state = 'approved', decided_by = 'k', decided_owner = 'eve', decided_at = now()";

t.test(
  "K4 an approval row written by hand refuses the step by its own code, and the sink stays untouched",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const { rig, sink, alice, bob } = await startScene(t, database);
      const given = await submitAs(alice, { steps: [step()] });
      const good = await openApproval(rig, given);
      await decide(bob, good, "approve");
      await rig.ended(given);
      t.equal(sink.calls.length, 1);
      const record = String(
        (await rig.rows("select approval_record from stepgate.approvals where approval_id = $1", [good]))[0]?.[
          "approval_record"
        ],
      );

      const forgeries = [
        {
          why: "no record at all",
          reason: "no_record",
          sql: `update stepgate.approvals set ${BY_HAND} where approval_id = $1`,
        },
        {
          why: "a record that is not there",
          reason: "not_signed",
          sql: `update stepgate.approvals set ${BY_HAND}, approval_record = repeat('ab', 32) where approval_id = $1`,
        },
        {
          why: "its own hold as its approval",
          reason: "not_signed",
          sql: `update stepgate.approvals set ${BY_HAND}, approval_record = hold_record where approval_id = $1`,
        },
        {
          why: "the approval of another run",
          reason: "another_step",
          // the unique index goes first: the owner of a database can drop it
          sql: `update stepgate.approvals set ${BY_HAND}, approval_record = '${record}' where approval_id = $1`,
        },
        {
          why: "a second row beside the open one",
          reason: "no_record",
          sql: `insert into stepgate.approvals (tenant_uid, approval_id, run_uid, step_id, hold_record, shown_digest, shown_blob, role,
                state, decided_by, decided_owner, expires_at)
              select tenant_uid, gen_random_uuid(), run_uid, step_id, hold_record, shown_digest, shown_blob, role,
                'approved', 'k', 'eve', expires_at from stepgate.approvals where approval_id = $1`,
        },
      ] as const;
      await rig.rows("drop index stepgate.approvals_record_key");
      for (const { why, reason, sql } of forgeries) {
        const runUid = await submitAs(alice, { steps: [step()] });
        await rig.rows(sql, [await openApproval(rig, runUid)]);
        await queueByHand(rig, runUid);
        await rig.ended(runUid);
        t.match(
          (await rig.steps(runUid)).get("a"),
          { state: "failed", errorKind: "policy_error", attemptsMade: 0 },
          why,
        );
        const refused = (await rig.events(runUid)).find(({ type }) => type === "step_refused")?.data;
        t.match(refused, { reasons: ["approval_not_verified"], detail: { reason } }, why);
      }
      t.equal(sink.calls.length, 1, "nothing ran but what was approved");
    });
  },
);

t.test("K4 a given approval that was changed, or used before, refuses the step", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const { rig, sink, alice, bob } = await startScene(t, database);
    const { store } = rig.stepgate.rooms;
    const changes = [
      {
        why: "a later expiry",
        reason: "expiry",
        sql: "update stepgate.approvals set expires_at = expires_at + interval '1 day' where approval_id = $1",
      },
      {
        why: "a changed statement",
        reason: "not_signed",
        sql: `update stepgate.records set statement = replace(statement, '"owner":"bob"', '"owner":"eve"')
               where kind = 'approval' and record_id = (select approval_record from stepgate.approvals where approval_id = $1)`,
      },
      {
        why: "another blob in place of the form",
        reason: "form_unreadable",
        sql: `update stepgate.approvals a set shown_blob = (select blob_id from stepgate.blobs b where b.run_uid = a.run_uid and b.field = 'pack_input' limit 1)
               where approval_id = $1`,
      },
    ] as const;
    await rig.rows("alter table stepgate.records disable trigger all");
    for (const { why, reason, sql } of changes) {
      const runUid = await submitAs(alice, { steps: [step()] });
      const approvalId = await openApproval(rig, runUid);
      // paused, so that the approved step is not taken before the row is changed
      await store.pause(rig.tenantUid, runUid, "test");
      t.equal((await decide(bob, approvalId, "approve")).status, 200);
      await rig.rows(sql, [approvalId]);
      await store.resume(rig.tenantUid, runUid, "test");
      rig.stepgate.rooms.ready.ready();
      await rig.ended(runUid);
      const refused = (await rig.events(runUid)).find(({ type }) => type === "step_refused")?.data;
      t.match(refused, { error_kind: "policy_error", reasons: ["approval_not_verified"], detail: { reason } }, why);
    }
    t.equal(sink.calls.length, 0);

    const runUid = await submitAs(alice, {
      steps: [step({ inputs: { fails: true }, execution: { max_attempts: 2, retry_backoff_ms: 1 } })],
    });
    const approvalId = await openApproval(rig, runUid);
    await decide(bob, approvalId, "approve");
    await rig.untilEvent(runUid, ({ type }) => type === "step_retry_scheduled");
    t.not(await openApproval(rig, runUid), approvalId);
    await rig.rows("update stepgate.approvals set state = 'approved' where approval_id = $1", [approvalId]);
    await queueByHand(rig, runUid);
    await rig.ended(runUid);
    const refused = (await rig.events(runUid)).find(({ type }) => type === "step_refused")?.data;
    t.match(
      refused,
      { reasons: ["approval_not_verified"], detail: { reason: "used_before" } },
      "consumed, and set back",
    );
    t.equal(sink.calls.length, 1);
  });
});

t.test("K4 an open row that says otherwise than its signed hold can neither be shown nor decided", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const { rig, sink, alice, bob, carl } = await startScene(t, database, ({ inputs, ...input }) =>
      holdUntilApproved({ ...input, inputs: { ...(inputs as JsonObject), role: "operator" } }),
    );
    const changes = [
      { why: "a weaker role", set: "role = 'approver'" },
      { why: "more time", set: "expires_at = expires_at + interval '1 hour'" },
      { why: "another hold", set: "hold_record = repeat('cd', 32)" },
    ];
    for (const { why, set } of changes) {
      const runUid = await submitAs(alice, { steps: [step()] });
      const approvalId = await openApproval(rig, runUid);
      t.match(await decide(bob, approvalId, "approve"), { status: 403 }, "the control: bob has another role");
      await rig.rows(`update stepgate.approvals set ${set} where approval_id = $1`, [approvalId]);
      for (const by of [bob, carl]) {
        t.match(await decide(by, approvalId, "approve"), { status: 500, json: { code: "APPROVAL_UNVERIFIED" } }, why);
        t.match(await by("GET", `/v1/approvals/${approvalId}`), { json: { code: "APPROVAL_UNVERIFIED" } }, why);
      }
      // once its time is up by the row, the reaper takes it out of use instead of meeting it for ever
      await rig.rows("update stepgate.approvals set expires_at = now() where approval_id = $1", [approvalId]);
      await rig.until(runUid, (steps) => steps.get("a")?.approval === undefined);
      t.equal((await rig.steps(runUid)).get("a")?.state, "held", why);
    }
    t.equal(sink.calls.length, 0);
  });
});

t.test("of several answers at once one counts, and the step runs at most once", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const { rig, sink, alice, bob, carl } = await startScene(t, database);
    for (let round = 0; round < 4; round += 1) {
      const runUid = await submitAs(alice, { steps: [step()] });
      const approvalId = await openApproval(rig, runUid);
      const isSame = round % 2 === 0;
      const answers = await Promise.all([
        decide(bob, approvalId, "approve"),
        decide(carl, approvalId, isSame ? "approve" : "reject"),
        decide(bob, approvalId, "approve"),
        decide(carl, approvalId, isSame ? "approve" : "reject"),
      ]);
      const statuses = answers.map(({ status }) => status).sort();
      t.same(statuses, isSame ? [200, 200, 200, 200] : [200, 200, 409, 409], `round ${round}`);
      const { status } = await rig.ended(runUid);
      t.equal(sink.calls.filter((call) => call.runUid === runUid).length, status === "succeeded" ? 1 : 0);
      const records = await rig.rows("select 1 from stepgate.records where run_uid = $1 and kind = 'approval'", [
        runUid,
      ]);
      t.equal(records.length, 1, "one signed answer");
      await verifies(t, rig, runUid);
    }
  });
});

t.test("an answer against expiry, cancel and pause: one of them is first, and nothing is half done", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const { rig, sink, alice, bob } = await startScene(t, database);
    const { store } = rig.stepgate.rooms;
    // around the moment of expiry: whoever is first, answer and end agree
    await Promise.all(
      [-40, -10, 0, 20].map(async (offsetMs) => {
        const runUid = await submitAs(alice, { steps: [step({ inputs: { ttl: 1 } })] });
        const approvalId = await openApproval(rig, runUid);
        const { json } = await bob("GET", `/v1/approvals/${approvalId}`);
        const waitMs = Date.parse(String(json["expires_at"])) + offsetMs - Date.now();
        await new Promise((resolve) => setTimeout(resolve, waitMs));
        const { status, json: said } = await decide(bob, approvalId, "approve");
        await rig.ended(runUid);
        const { state, errorKind } = (await rig.steps(runUid)).get("a") ?? {};
        const calls = sink.calls.filter((call) => call.runUid === runUid).length;
        const holds = (await rig.events(runUid)).filter(({ type }) => type === "step_held").length;
        const end = `${state} ${errorKind ?? ""} after ${holds} holds, ${calls} calls`;
        const late = "failed approval_expired after 1 holds, 0 calls";
        // given in time and lapsed before its use, it is no approval any more: the step is held anew
        const wanted = ["succeeded  after 1 holds, 1 calls", "failed approval_expired after 2 holds, 0 calls"];
        t.ok(status === 200 ? wanted.includes(end) : end === late, `${offsetMs} ms: ${String(said["code"])}: ${end}`);
        await verifies(t, rig, runUid);
      }),
    );
    const open = await submitAs(alice, { steps: [step()] });
    const outcomeAt = async (time: string) =>
      (
        await rig.rows(
          `select stepgate.approval_outcome(jsonb_populate_record(a, jsonb_build_object('expires_at', ${time})), 'approved', 'bob', '[]') as outcome
             from stepgate.approvals a where approval_id = $1`,
          [await openApproval(rig, open)],
        )
      )[0]?.["outcome"];
    t.equal(await outcomeAt("clock_timestamp() - interval '1 ms'"), "expired", "before any reaper came");
    t.equal(await outcomeAt("clock_timestamp() + interval '1 minute'"), "decided", "the control");
    await store.cancel(rig.tenantUid, open, "test");

    for (let round = 0; round < 3; round += 1) {
      const runUid = await submitAs(alice, { steps: [step()] });
      const approvalId = await openApproval(rig, runUid);
      const [decided] = await Promise.all([
        decide(bob, approvalId, "approve"),
        store.cancel(rig.tenantUid, runUid, "test"),
      ]);
      t.ok([200, 409].includes(decided.status), `${decided.status}`);
      const { status } = await rig.ended(runUid);
      t.ok(status === "cancelled" || status === "succeeded", status);
      if (decided.status === 409) {
        t.equal(decided.json["code"], "APPROVAL_VOID");
        t.equal(sink.calls.filter((call) => call.runUid === runUid).length, 0);
      }
      await verifies(t, rig, runUid);
    }

    const paused = await submitAs(alice, { steps: [step()] });
    const pausedId = await openApproval(rig, paused);
    await Promise.all([decide(bob, pausedId, "approve"), store.pause(rig.tenantUid, paused, "test")]);
    await store.resume(rig.tenantUid, paused, "test");
    rig.stepgate.rooms.ready.ready();
    t.equal((await rig.ended(paused)).status, "succeeded");
    t.equal(sink.calls.filter((call) => call.runUid === paused).length, 1);
    await verifies(t, rig, paused);
  });
});

t.test("whoever resumed the run, or submitted what it was forked from, does not approve it", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const { rig, sink, alice, bob, carl } = await startScene(t, database);
    const runUid = await submitAs(alice, { steps: [step()], debug: { breakpoints: [{ target: "step", value: "a" }] } });
    await rig.until(runUid, (_steps, run) => run.status === "paused_at_step");
    t.equal((await carl("POST", `/v1/runs/${runUid}/resume`)).status, 200);
    const approvalId = await openApproval(rig, runUid);
    t.match(await decide(carl, approvalId, "approve"), { status: 403, json: { code: "APPROVAL_OWN" } }, "the resumer");
    const twin = await deskOf(rig, "carl", "approver");
    t.match(
      await decide(twin, approvalId, "approve"),
      { status: 403, json: { code: "APPROVAL_OWN" } },
      "by another key",
    );
    const origin = await submitAs(await deskOf(rig, "bob", "submitter"), { steps: [step()] });
    await rig.rows(
      "insert into stepgate.run_forks (tenant_uid, run_uid, origin_run, origin_step, root_run) values ($1, $2, $3, 'a', $3)",
      [rig.tenantUid, runUid, origin],
    );
    t.match(await decide(bob, approvalId, "approve"), { status: 403, json: { code: "APPROVAL_OWN" } }, "of the origin");
    t.equal((await decide(await deskOf(rig, "erin", "approver"), approvalId, "approve")).status, 200);
    await rig.ended(runUid);
    t.equal(sink.calls.length, 1);
    await rig.stepgate.rooms.store.cancel(rig.tenantUid, origin, "test");
  });
});
