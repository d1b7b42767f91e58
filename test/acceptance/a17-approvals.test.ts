/**
 * A17: a step that a pack holds runs once a person of another owner has approved exactly what was shown (spec 01, 04).
 *
 * The sink is a real file: a line for every call.
 */
import { appendFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { canonicalDigest } from "../../src/core/canonical-json.ts";
import type { RunUid } from "../../src/core/ids.ts";
import { isJsonObject, type JsonObject } from "../../src/core/json.ts";
import type { ExecutorResult } from "../../src/executors/contract.ts";
import { forEachDatabase, type TestDatabase } from "../storage/test-database.ts";
import { type Call, deskOf, holdUntilApproved, openApproval, submitAs } from "./approval-desk.ts";
import { verifies } from "./evidence-of.ts";
import { type Decide, done, makeSink, packOf, type Rig, startRig } from "./rig.ts";

const tenant = { runtime_pack: "runtime", required_guardrails: [] };
const step = (more: JsonObject = {}) => ({ id: "a", type: "sink", inputs: {}, ...more });

interface Scene {
  readonly rig: Rig;
  readonly alice: Call;
  readonly bob: Call;
  /** Step ids that reached the sink, from the file. */
  readonly written: () => Promise<readonly string[]>;
  readonly decide: (approvalId: string, decision: string, by?: Call) => ReturnType<Call>;
}

/** Alice submits, Bob approves, whatever passes the gate writes a line into a file. */
async function scene(
  t: Test,
  database: TestDatabase,
  {
    runtime = holdUntilApproved,
    perform = () => done(null),
  }: { runtime?: Decide; perform?: (call: number) => ExecutorResult } = {},
): Promise<Scene> {
  const folder = await mkdtemp(join(tmpdir(), "stepgate-a17-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "sink");
  await appendFile(file, "");
  const sink = makeSink(async ({ runUid }, call) => {
    await appendFile(file, `${runUid}\n`);
    return perform(call);
  });
  const rig = await startRig(t, {
    database,
    packs: { runtime },
    adapters: [sink.adapter],
    tenant,
    env: { STEPGATE_REAPER_INTERVAL_MS: "50" },
  });
  const [alice, bob] = [await deskOf(rig, "alice", "submitter", "approver"), await deskOf(rig, "bob", "approver")];
  return {
    rig,
    alice,
    bob,
    written: async () => (await readFile(file, "utf8")).split("\n").filter((line) => line !== ""),
    decide: (approvalId, decision, by = bob) => by("POST", `/v1/approvals/${approvalId}`, { decision, reason: "seen" }),
  };
}

const state = async (rig: Rig, approvalId: string) =>
  (await rig.rows("select state from stepgate.approvals where approval_id = $1", [approvalId]))[0]?.["state"];
const eventsOf = async (rig: Rig, runUid: RunUid, ...types: readonly string[]) =>
  (await rig.events(runUid)).filter(({ type }) => types.includes(type)).map(({ type }) => type);

t.test("A17 approved by a key of another owner it runs once, and the evidence says under which approval", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const { rig, alice, bob, written, decide } = await scene(t, database);
    const runUid = await submitAs(alice, { id: "refund-1", steps: [step({ inputs: { amount: 7, card: "4242" } })] });
    const approvalId = await openApproval(rig, runUid);
    t.same(await written(), [], "nothing ran");

    const shown = await bob("GET", `/v1/approvals/${approvalId}`);
    t.match(shown.json, {
      state: "open",
      run_id: "refund-1",
      step_id: "a",
      role: "approver",
      requester: { owner: "alice" },
      holds: [{ pack: { id: "runtime" }, stage: "decide", reasons: [{ code: "needs_approval" }] }],
      packs: [{ id: "runtime", digest: canonicalDigest("runtime") }],
      shown: { form: { request: { type: "sink", inputs: { amount: 7, card: "4242" } }, run_uid: runUid, step: "a" } },
    });
    const reader = await (await deskOf(rig, "rita", "reader"))("GET", `/v1/approvals/${approvalId}`);
    t.equal(reader.status, 200);
    t.notOk("shown" in reader.json, "who may not decide is shown no payload");

    t.match(
      await decide(approvalId, "approve", alice),
      { status: 403, json: { code: "APPROVAL_OWN" } },
      "the same owner",
    );
    const twin = await deskOf(rig, "alice", "approver");
    t.match(
      await decide(approvalId, "approve", twin),
      { status: 403, json: { code: "APPROVAL_OWN" } },
      "by a second key",
    );
    const operator = await deskOf(rig, "olga", "operator");
    t.match(await decide(approvalId, "approve", operator), { status: 403, json: { code: "APPROVAL_ROLE_MISSING" } });
    t.equal(
      (await (await deskOf(rig, "rob", "reader"))("POST", `/v1/approvals/${approvalId}`, { decision: "approve" }))
        .status,
      403,
    );
    t.match(await decide(approvalId, "maybe"), { status: 400, json: { code: "FIELD_INVALID" } });
    t.equal(await state(rig, approvalId), "open");

    t.match(await decide(approvalId, "approve"), {
      status: 200,
      json: { decided_by: { owner: "bob" }, reason: "seen" },
    });
    t.equal((await rig.ended(runUid)).status, "succeeded");
    t.same(await written(), [runUid], "it ran once");
    t.match(
      await decide(approvalId, "approve"),
      { status: 200, json: { state: "consumed" } },
      "the same again changes nothing",
    );
    t.match(await decide(approvalId, "reject"), { status: 409, json: { code: "APPROVAL_DECIDED" } });
    t.same(await eventsOf(rig, runUid, "step_held", "approval_granted", "step_queued", "step_started"), [
      "step_held",
      "approval_granted",
      "step_queued",
      "step_started",
    ]);
    const admissions = await rig.rows(
      "select statement from stepgate.records where run_uid = $1 and kind = 'admission'",
      [runUid],
    );
    t.match(
      String(admissions[0]?.["statement"]),
      `"approval_record":"${(await bob("GET", `/v1/approvals/${approvalId}`)).json["approval_record_id"]}"`,
    );
    t.match(await rig.rows("select actor from stepgate.audit_log where action = 'approval.grant'"), [
      { actor: /^key:/ },
    ]);
    const stored = await rig.rows(
      "select field from stepgate.blobs where run_uid = $1 and field like 'approval%' order by 1",
      [runUid],
    );
    t.same(stored, [{ field: "approval" }, { field: "approval_reason" }], "what was shown and the reason are sealed");
    await verifies(t, rig, runUid);
  });
});

t.test("A17 one approval serves neither a second run nor a second attempt", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const failing: ExecutorResult = {
      ok: false,
      kind: "execution_error",
      retryable: true,
      code: "boom",
      message: "it broke",
      usage: { tokens: 0, usdMicros: 0 },
      toolEvents: [],
    };
    const { rig, alice, written, decide } = await scene(t, database, {
      perform: (call) => (call === 1 ? failing : done(null)),
    });
    const retried = step({ execution: { max_attempts: 2, retry_backoff_ms: 1 } });
    const [first, second] = [await submitAs(alice, { steps: [retried] }), await submitAs(alice, { steps: [retried] })];
    const approvalId = await openApproval(rig, first);
    const other = await openApproval(rig, second);
    t.equal((await decide(approvalId, "approve")).status, 200);
    await rig.untilEvent(first, ({ type }) => type === "step_retry_scheduled");
    const again = await openApproval(rig, first);
    t.not(again, approvalId, "the next attempt waits for an approval of its own");
    t.same(await written(), [first]);
    t.equal(await state(rig, other), "open", "the other run waits still");
    t.equal((await decide(again, "approve")).status, 200);
    t.equal((await rig.ended(first)).status, "succeeded");
    t.same(await written(), [first, first]);
    await verifies(t, rig, first);
    t.equal((await decide(other, "reject")).status, 200);
    t.equal((await rig.ended(second)).status, "failed");
    t.same(await written(), [first, first]);
    await verifies(t, rig, second);
  });
});

t.test(
  "A17 a pack with another digest activated meanwhile voids it, as does one that redacts to another form",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const { rig, alice, bob, written, decide } = await scene(t, database);
      const { packs } = rig.stepgate.rooms;
      const runUid = await submitAs(alice, { steps: [step({ inputs: { amount: 7 } })] });
      const approvalId = await openApproval(rig, runUid);
      packs.set("runtime", {
        ...packOf("runtime", holdUntilApproved),
        ref: { id: "runtime", version: "1.0.1", digest: canonicalDigest("v2") },
      });
      t.equal((await decide(approvalId, "approve")).status, 200);
      await rig.untilEvent(runUid, (event) => event.type === "step_held" && event.data["approval_id"] !== approvalId);
      t.equal(await state(rig, approvalId), "void");
      t.match(await decide(approvalId, "approve"), { status: 409, json: { code: "APPROVAL_VOID" } });

      // the pack of the same digest that patches only once it is shown the approval
      const patching: Decide = (input) =>
        Array.isArray(input["approvals"]) &&
        input["approvals"].length > 0 &&
        (input["inputs"] as JsonObject)["amount"] === 7
          ? { effect: "redact", reasons: ["less"], patches: [{ op: "replace", path: "/inputs/amount", value: 1 }] }
          : holdUntilApproved(input);
      packs.set("runtime", {
        ...packOf("runtime", patching),
        ref: { id: "runtime", version: "1.0.1", digest: canonicalDigest("v2") },
      });
      const second = await openApproval(rig, runUid);
      t.equal((await decide(second, "approve")).status, 200);
      await rig.untilEvent(
        runUid,
        (event) => event.type === "step_held" && ![approvalId, second].includes(String(event.data["approval_id"])),
      );
      t.equal(await state(rig, second), "void");
      t.same(await written(), []);

      // a pack that patches before the hold: the approver is shown the patched form, and that is what runs
      const masking: Decide = (input) =>
        (input["inputs"] as JsonObject)["amount"] === 7
          ? { effect: "redact", reasons: ["less"], patches: [{ op: "replace", path: "/inputs/amount", value: 1 }] }
          : { effect: "allow" };
      packs.set("mask", packOf("mask", masking));
      packs.set("runtime", packOf("runtime", holdUntilApproved));
      const masked = await submitAs(alice, {
        steps: [step({ inputs: { amount: 7 }, policy: { packs: [{ name: "mask", hooks: ["pre"] }] } })],
      });
      const third = await openApproval(rig, masked);
      t.match((await bob("GET", `/v1/approvals/${third}`)).json, {
        shown: { form: { request: { inputs: { amount: 1 } } } },
      });
      t.equal((await decide(third, "approve")).status, 200);
      t.equal((await rig.ended(masked)).status, "succeeded");
      t.same(await written(), [masked]);
      await verifies(t, rig, masked);
      const { store } = rig.stepgate.rooms;
      await store.cancel(rig.tenantUid, runUid, "test");
      t.equal((await rig.ended(runUid)).status, "cancelled");
      await verifies(t, rig, runUid);
    });
  },
);

t.test(
  "A17 an approval that nobody gave in time fails the step and compensates an attempt that was made",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const holdTwice: Decide = (input) =>
        (input["step"] as JsonObject)["id"] === "undo" || (input["step"] as JsonObject)["attempt"] === 1
          ? { effect: "allow" }
          : holdUntilApproved(input);
      const { rig, alice, written, decide } = await scene(t, database, {
        runtime: holdTwice,
        perform: (call) =>
          call === 1
            ? {
                ok: false,
                kind: "execution_error",
                retryable: true,
                code: "x",
                message: "x",
                usage: { tokens: 0, usdMicros: 0 },
                toolEvents: [],
              }
            : done(null),
      });
      const runUid = await submitAs(alice, {
        steps: [
          step({
            inputs: { ttl: 1 },
            execution: { max_attempts: 2, retry_backoff_ms: 1, compensation: { step: "undo" } },
          }),
          { id: "undo", type: "sink", inputs: {} },
        ],
      });
      t.equal((await rig.ended(runUid)).status, "failed");
      t.match((await rig.steps(runUid)).get("a"), {
        state: "failed",
        errorKind: "approval_expired",
        reasons: ["approval_expired"],
        attemptsMade: 1,
      });
      t.equal((await rig.steps(runUid)).get("undo")?.state, "succeeded", "an attempt was made, so it is undone");
      t.equal((await written()).length, 2);
      t.match((await rig.events(runUid)).find(({ type }) => type === "step_refused")?.data, {
        error_kind: "approval_expired",
        stage: "approval",
      });
      const [row] = await rig.rows("select approval_id, state from stepgate.approvals where run_uid = $1", [runUid]);
      t.equal(row?.["state"], "expired");
      t.match(await decide(String(row?.["approval_id"]), "approve"), {
        status: 409,
        json: { code: "APPROVAL_EXPIRED" },
      });
      t.match(await rig.rows("select actor from stepgate.audit_log where action = 'approval.expire'"), [
        { actor: "reaper" },
      ]);
      await verifies(t, rig, runUid);
    });
  },
);

t.test(
  "a rejected step fails with its own kind, its downstream is skipped, and its record names the decision",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const { rig, alice, written, decide } = await scene(t, database);
      const runUid = await submitAs(alice, { steps: [step(), { ...step(), id: "b" }], edges: [["a", "b"]] });
      const approvalId = await openApproval(rig, runUid);
      t.match(await decide(approvalId, "reject"), { status: 200, json: { state: "rejected" } });
      t.match(await decide(approvalId, "approve"), { status: 409, json: { code: "APPROVAL_DECIDED" } });
      t.equal((await decide(approvalId, "reject")).status, 200);
      t.equal((await rig.ended(runUid)).status, "failed");
      const steps = await rig.steps(runUid);
      t.match(steps.get("a"), { state: "failed", errorKind: "approval_rejected", attemptsMade: 0 });
      t.equal(steps.get("b")?.state, "skipped");
      t.same(await written(), []);
      t.same(await eventsOf(rig, runUid, "approval_rejected", "step_refused"), ["approval_rejected", "step_refused"]);
      t.match(await rig.rows("select kind, actual_tokens from stepgate.cost_ledger where run_uid = $1", [runUid]), [
        { kind: "refused", actual_tokens: 0 },
      ]);
      t.match(
        await rig.rows(
          "select action from stepgate.audit_log where action in ('approval.reject', 'step.failed') order by seq",
        ),
        [{ action: "approval.reject" }, { action: "step.failed" }],
      );
      await verifies(t, rig, runUid);
    });
  },
);

t.test("packs that name several roles want one key that has them all, within the shortest time", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const { rig, alice, decide } = await scene(t, database);
    rig.stepgate.rooms.packs.set(
      "second",
      packOf("second", (input) => holdUntilApproved({ ...input, inputs: { role: "operator", ttl: 60 } })),
    );
    const runUid = await submitAs(alice, {
      steps: [step({ policy: { packs: [{ name: "second", hooks: ["pre"] }] } })],
    });
    const approvalId = await openApproval(rig, runUid);
    t.match(await decide(approvalId, "approve"), {
      status: 403,
      json: { code: "APPROVAL_ROLE_MISSING", role: "operator" },
    });
    const both = await deskOf(rig, "carl", "approver", "operator");
    const { json } = await both("GET", `/v1/approvals/${approvalId}`);
    t.match(json, { role: "approver,operator", holds: [{ pack: { id: "second" } }, { pack: { id: "runtime" } }] });
    const waits = Date.parse(String(json["expires_at"])) - Date.parse(String(json["created_at"]));
    t.ok(waits > 50_000 && waits < 70_000, `${waits} ms`);
    t.equal((await decide(approvalId, "approve", both)).status, 200);
    t.equal((await rig.ended(runUid)).status, "succeeded");
    await verifies(t, rig, runUid);
  });
});

t.test("lists are filtered and paged, and another tenant's approval is not there", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const { rig, alice, bob, decide } = await scene(t, database);
    const runs = [];
    for (const id of ["one", "two", "three"]) runs.push(await submitAs(alice, { id, steps: [step()] }));
    const ids = [];
    for (const runUid of runs) ids.push(await openApproval(rig, runUid));
    const idsOf = ({ json }: { json: JsonObject }) =>
      (json["items"] as readonly JsonObject[]).map((item) => item["approval_id"]);
    const first = await bob("GET", "/v1/approvals?limit=2");
    const rest = await bob("GET", `/v1/approvals?limit=2&after=${String(first.json["next"])}`);
    t.same([...idsOf(first), ...idsOf(rest)], [...ids].sort().reverse());
    t.notOk("next" in rest.json);
    t.equal((await decide(String(ids[0]), "approve")).status, 200);
    t.same(idsOf(await bob("GET", "/v1/approvals?run=two&state=open")), [ids[1]]);
    t.same(idsOf(await bob("GET", `/v1/approvals?run=${runs[1]}&state=rejected`)), []);
    t.match(await bob("GET", "/v1/approvals?state=lost"), { status: 400 });
    t.match(await bob("GET", "/v1/approvals?after=x"), { status: 400, json: { code: "FIELD_INVALID" } });
    const held = (await bob("GET", `/v1/approvals/${ids[1]}`)).json;
    t.ok(isJsonObject(held["shown"] ?? null));
    t.match(await bob("GET", `/v1/approvals/${ids[1]?.replace(/.$/, (end) => (end === "0" ? "1" : "0"))}`), {
      status: 404,
    });
  });
});
