/**
 * The machine's clock jumps by an hour or a day, forwards or backwards, while steps run, wait, are held and are limited:
 * leases, retries, deadlines, approvals, windows and tokens follow the database's time, and nothing notices.
 */
import t from "tap";
import { verifyToken } from "../../src/capability/verify-token.ts";
import { systemClock } from "../../src/core/clock.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { ExecutionContext } from "../../src/executors/contract.ts";
import { openTestDatabase } from "../storage/test-database.ts";
import { deskOf, holdUntilApproved, openApproval, submitAs } from "./approval-desk.ts";
import { verifies } from "./evidence-of.ts";
import { type Decide, done, makeSink, type Rig, startRig } from "./rig.ts";

const HOUR_MS = 3_600_000;
const JUMPS_MS = [HOUR_MS, -HOUR_MS, 24 * HOUR_MS, -24 * HOUR_MS];
/** What a busy machine may take between two looks at one moment. */
const NEAR_MS = 60_000;
const isNear = (aMs: number, bMs: number): boolean => Math.abs(aMs - bMs) < NEAR_MS;

let offMs = 0;
const clock = { nowMs: () => systemClock.nowMs() + offMs, monotonicMs: systemClock.monotonicMs };
/** The database runs on this machine, whose real clock does not jump. */
const databaseMs = systemClock.nowMs;

const seenByPacks: number[] = [];
const runtime: Decide = (input) => {
  seenByPacks.push(Number(input["time"]));
  const { inputs } = input;
  return (inputs as JsonObject | undefined)?.["hold"] === true ? holdUntilApproved(input) : { effect: "allow" };
};

let during = async (_context: ExecutionContext): Promise<void> => undefined;
const sink = makeSink(async (context) => {
  const { inputs } = context.spec;
  if (inputs["fail_first"] === true && context.attempt === 1)
    return { ok: false, kind: "execution_error", retryable: true, code: "boom", message: "", toolEvents: [] };
  if (inputs["jump"] === true) await during(context);
  return done(null, { tokens: 10 });
});

let rig: Rig;
t.before(async () => {
  rig = await startRig(t, {
    database: await openTestDatabase(t),
    clock,
    packs: { runtime },
    adapters: [sink.adapter],
    tenant: {
      runtime_pack: "runtime",
      required_guardrails: [],
      quotas: [{ id: "daily", unit: "tokens", window: "day", limit: 1_000_000 }],
    },
    env: { STEPGATE_LEASE_MS: "1500", STEPGATE_REAPER_INTERVAL_MS: "50" },
  });
});
t.beforeEach(() => {
  offMs = 0;
});

for (const jumpMs of JUMPS_MS) {
  t.test(
    `by ${jumpMs / HOUR_MS} h in the middle of a step: its lease is kept and all that follows runs in time`,
    async (t) => {
      let token = "";
      let context: ExecutionContext | undefined;
      seenByPacks.length = 0;
      during = async (given) => {
        [token, context] = [given.token, given];
        offMs = jumpMs;
        // extended twice after the jump, each time by what the worker thinks is due
        for (let extended = 0, last = ""; extended <= 2; ) {
          const [row] = await rig.rows("select max(lease_until)::text as at from stepgate.workers");
          if (row?.["at"] === last) await new Promise((resolve) => setTimeout(resolve, 20));
          else extended += 1;
          last = String(row?.["at"]);
        }
      };
      const execution = { deadline_ms: 600_000, max_attempts: 2, retry_backoff_ms: 100 };
      const runUid = await rig.submit({
        steps: [
          { id: "running", type: "sink", inputs: { jump: true }, execution },
          { id: "again", type: "sink", inputs: { fail_first: true }, execution },
          // its adapter verifies the token itself, as every one of the product does
          { id: "checked", type: "noop", inputs: { result: 1 }, execution },
        ],
        edges: [
          ["running", "again"],
          ["again", "checked"],
        ],
        time_limit_ms: 600_000,
      });
      t.equal((await rig.ended(runUid)).status, "succeeded");
      const events = await rig.events(runUid);
      t.notOk(events.some(({ type }) => type === "step_attempt_lost"));
      const steps = await rig.steps(runUid);
      t.same(
        ["running", "again", "checked"].map((id) => steps.get(id)?.attemptsMade),
        [1, 2, 1],
      );
      const retry = events.find(({ type }) => type === "step_retry_scheduled");
      t.ok(isNear(Number(retry?.data["not_before_ms"]), databaseMs()), "the retry is due by the database's time");
      t.ok(
        seenByPacks.every((atMs) => isNear(atMs, databaseMs())),
        "packs see the same time",
      );
      await verifies(t, rig, runUid);

      if (context === undefined) throw new TypeError("it did not run");
      const { tenantUid, stepId, attempt, request, issuer, limits } = context;
      const elsewhere = (nowMs: number) =>
        verifyToken(
          token,
          rig.stepgate.rooms.keyRing.tokenKeys(),
          {
            issuer,
            audience: sink.adapter.audience,
            subject: { tenantUid, runUid, stepId, attempt },
            highestAttemptSeen: 0,
            request,
            demand: { ...sink.adapter.scope({ ...context?.spec } as never, {}), limits },
            clockSkewSec: 30,
          },
          Math.floor(nowMs / 1000),
        );
      t.match(elsewhere(databaseMs()), { ok: true }, "an adapter elsewhere takes the token now");
      t.match(
        elsewhere(databaseMs() + 16 * 60_000),
        { ok: false, reasons: ["expired"] },
        "and not a minute after its life",
      );
      t.match(
        elsewhere(databaseMs() - HOUR_MS),
        { ok: false, reasons: ["not_yet_valid"] },
        "nor on a clock that is behind",
      );
    },
  );

  t.test(
    `by ${jumpMs / HOUR_MS} h before a step: a new token is good here and elsewhere, and no longer than it may`,
    async (t) => {
      offMs = jumpMs;
      let claims: { readonly iat: number; readonly exp: number } | undefined;
      during = async ({ token }) => {
        claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
      };
      const runUid = await rig.submit({
        steps: [
          { id: "a", type: "sink", inputs: { jump: true }, execution: { deadline_ms: 120_000 } },
          { id: "b", type: "noop", inputs: { result: 1 }, execution: { deadline_ms: 120_000 } },
        ],
      });
      t.equal((await rig.ended(runUid)).status, "succeeded");
      t.ok(isNear((claims?.iat ?? 0) * 1000, databaseMs()));
      t.ok((claims?.exp ?? 0) * 1000 <= databaseMs() + 121_000, "it ends with the step's deadline");
    },
  );
}

t.test("an approval expires by the database's time, however far the machine is ahead or behind", async (t) => {
  const [alice, bob] = [await deskOf(rig, "alice", "submitter"), await deskOf(rig, "bob", "approver")];
  const held = (ttl: number) => submitAs(alice, { steps: [{ id: "a", type: "sink", inputs: { hold: true, ttl } }] });
  const long = await held(600);
  const approvalId = await openApproval(rig, long);
  offMs = 24 * HOUR_MS;
  t.match(await bob("POST", `/v1/approvals/${approvalId}`, { decision: "approve", reason: "seen" }), { status: 200 });
  t.equal((await rig.ended(long)).status, "succeeded", "a day ahead, it is still good");
  offMs = -24 * HOUR_MS;
  const short = await held(1);
  t.equal((await rig.ended(short)).status, "failed");
  t.match(
    (await rig.steps(short)).get("a"),
    { errorKind: "approval_expired" },
    "a day behind, it is over all the same",
  );
});

t.test("a day's quota is the database's day", async (t) => {
  const hog = (tokens: number) =>
    rig.submit({ steps: [{ id: "a", type: "sink", inputs: {}, execution: { cost_hint: { tokens } } }] });
  await rig.ended(await hog(10));
  offMs = 24 * HOUR_MS;
  const [used] = await rig.rows("select used from stepgate.quota_usage");
  const refused = await hog(1_000_000 - Number(used?.["used"]) + 1);
  t.equal((await rig.ended(refused)).status, "failed", "the machine's tomorrow has no budget of its own");
  t.match((await rig.steps(refused)).get("a"), { errorKind: "quota_exceeded" });
});

t.test("a decision without a run is made and signed at the database's time", async (t) => {
  const desk = await deskOf(rig, "carol", "submitter");
  for (const jumpMs of JUMPS_MS) {
    offMs = jumpMs;
    seenByPacks.length = 0;
    const { status } = await desk("POST", "/v1/decisions", {
      boundary: "scheduler",
      step: { type: "sink", inputs: {} },
    });
    t.equal(status, 200);
    t.ok(seenByPacks.length > 0 && seenByPacks.every((atMs) => isNear(atMs, databaseMs())), `${seenByPacks}`);
  }
});
