/**
 * Approvals from the command line: what is shown to whom, plain when piped, and `--json` (spec 04).
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { NO_STORY, type RunStory, tell } from "../../src/cli/run-story.ts";
import { showEvent } from "../../src/cli/story-lines.ts";
import type { RunUid } from "../../src/core/ids.ts";
import { capture } from "../cli/captured.ts";
import { runCli } from "../cli/run-cli.ts";
import { load } from "../policy/make-pack.ts";
import { openTestDatabase } from "../storage/test-database.ts";
import { deskOf, holdUntilApproved, openApproval, submitAs } from "./approval-desk.ts";
import { allow, type Decide, done, makeSink, startRig } from "./rig.ts";

const ESCAPE = String.fromCharCode(27);

/** A rig over the API, and the command line of alice, who submits, and of bob, who approves. */
async function deskCli(t: Test, packs: Readonly<Record<string, Decide>>, env: Readonly<Record<string, string>> = {}) {
  const sink = makeSink(() => done(null));
  const rig = await startRig(t, {
    database: await openTestDatabase(t),
    packs,
    adapters: [sink.adapter],
    tenant: { runtime_pack: "runtime", required_guardrails: [] },
    env,
  });
  const folder = await mkdtemp(join(tmpdir(), "stepgate-cli-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const [alice, bob] = [
    await deskOf(rig, "alice", "submitter", "reader", "operator"),
    await deskOf(rig, "bob", "approver", "reader"),
  ];
  for (const [name, { secret }] of Object.entries({ alice, bob })) await writeFile(join(folder, name), secret);
  const cli = (who: string, ...args: readonly string[]) =>
    runCli([...args, "--url", rig.stepgate.gateway?.url ?? "", "--key-file", join(folder, who)], {
      STEPGATE_HOME: folder,
    });
  return { sink, rig, folder, alice, cli };
}

t.test("a held step is listed, shown, explained and decided from the command line", async (t) => {
  const { rig, alice, cli } = await deskCli(t, { runtime: holdUntilApproved });
  const runUid = await submitAs(alice, {
    id: "refund-9",
    steps: [{ id: "a", type: "sink", inputs: { amount: 7, note: `${ESCAPE}[31m` } }],
  });
  const id = await openApproval(rig, runUid);
  const waits = new RegExp(`waits for approval by role approver until \\S+: npx stepgate approval show ${id}`);

  const list = await cli("bob", "approval", "list");
  t.match(list.out, new RegExp(`${id} +open +approver +until .+ alice +refund-9 / a`));
  t.match((await cli("alice", "run", "get", runUid)).out, waits);
  t.match((await cli("alice", "run", "get", runUid, "--why", "a")).out, /waits {5}for approval by role approver/);
  const shown = await cli("bob", "approval", "show", id);
  t.match(shown.out, /held by {3}runtime 1\.0\.0 at decide, scheduler/);
  t.match(shown.out, /reason {4}needs_approval/);
  t.match(shown.out, /would run\n[\s\S]*"amount": 7/);
  t.notOk(shown.out.includes(ESCAPE), "plain when piped, and no payload steers a terminal");
  t.notMatch((await cli("alice", "approval", "show", id)).out, /"amount": 7/, "not to who may not decide");
  t.match(JSON.parse((await cli("bob", "approval", "show", id, "--json")).out), { approval_id: id, state: "open" });

  const own = await cli("alice", "approval", "approve", id);
  t.equal(own.code, 1);
  t.match(own.err, /\[FORBIDDEN\]|\[APPROVAL_ROLE_MISSING\]/);
  const approved = await cli("bob", "approval", "approve", id, "--reason", "looks right");
  t.match(approved, { code: 0, out: /^done step a approved by bob\n/ });
  t.equal((await rig.ended(runUid)).status, "succeeded");
  t.equal((await cli("bob", "approval", "reject", id)).code, 1);
  t.match((await cli("bob", "approval", "list")).out, /nothing waits/);
  t.match((await cli("bob", "approval", "list", "--state", "all", "--run", "refund-9")).out, /consumed/);

  const seen = capture();
  let story: RunStory = NO_STORY;
  for (const { seq, type, stepId, atMs, data } of await rig.stepgate.rooms.store.events({
    tenantUid: rig.tenantUid,
    runUid,
    afterSeq: 0,
    limit: 100,
  })) {
    const at = new Date(atMs).toISOString();
    const event = { seq, type, at, data: { ...data }, ...(stepId === undefined ? {} : { step_id: stepId }) };
    story = tell(story, event);
    showEvent(seen.around.terminal, event, story);
  }
  t.match(seen.out(), /wait a +sink +hold/);
  t.match(seen.out(), waits, "run watch says for whom, until when, and how to look");
  t.match(seen.out(), /done a approved\n/);
});

t.test("the refund example: built and submitted as its page says, held, and then approved or rejected", async (t) => {
  const { rig, folder, cli } = await deskCli(t, { runtime: allow });
  const directory = join(folder, "packs", "refund_approval");
  t.match(await runCli(["pack", "build", "policies/examples/refund_approval", "--out", directory]), { code: 0 });
  const pack = await load(directory, { placement: "worker" });
  t.teardown(() => pack.close());
  rig.stepgate.rooms.packs.set(pack.ref.id, pack);
  const submit = async (): Promise<RunUid> => {
    const { code, out } = await cli("alice", "run", "submit", "policies/examples/refund.json", "--json");
    t.equal(code, 0, out);
    return JSON.parse(out).run_uid;
  };
  const [paid, refused] = [await submit(), await submit()];
  const [first, second] = [await openApproval(rig, paid, "refund"), await openApproval(rig, refused, "refund")];
  t.match((await rig.steps(paid)).get("refund"), { state: "held", attemptsMade: 0 });
  const shown = await cli("bob", "approval", "show", first);
  t.match(shown.out, /held by {3}refund_approval 1\.0\.0 at guardrails, ingress_tool/);
  t.match(shown.out, /reason {4}refund\.needs_approval\n +"A refund of more than 100 waits/);
  t.match(shown.out, /"refund": 250/);

  t.match(await cli("bob", "approval", "approve", first), { code: 0 });
  t.equal((await rig.ended(paid)).status, "succeeded");
  t.match((await rig.steps(paid)).get("refund"), { state: "succeeded", attemptsMade: 1 });

  const rejected = await cli("bob", "approval", "reject", second, "--reason", "no receipt");
  t.match(rejected, { code: 0, out: /^stop step refund rejected by bob\n {2}record [0-9a-f]{64}\n/ });
  t.equal((await rig.ended(refused)).status, "failed");
  t.match((await rig.steps(refused)).get("refund"), { errorKind: "approval_rejected", attemptsMade: 0 });
  const after = await cli("bob", "approval", "show", second);
  t.match(after.out, new RegExp(`^approval ${second} · rejected\n`));
  t.match(after.out, /decided {3}by bob at \S+\n[\s\S]*answer {4}"no receipt"/);
  t.notMatch(after.out, /approval approve/, "nothing is left to decide");
  t.match((await cli("alice", "run", "get", refused, "--why", "refund")).out, /approval_rejected/);
  t.equal((await cli("bob", "approval", "approve", second)).code, 1, "it stays rejected");
});

t.test("an approval that nobody gave in time is shown as expired, and can be given no more", async (t) => {
  const { sink, rig, alice, cli } = await deskCli(
    t,
    { runtime: holdUntilApproved },
    { STEPGATE_REAPER_INTERVAL_MS: "50" },
  );
  const runUid = await submitAs(alice, { id: "late", steps: [{ id: "a", type: "sink", inputs: { ttl: 1 } }] });
  t.equal((await rig.ended(runUid)).status, "failed");
  const [row] = await rig.rows("select approval_id from stepgate.approvals where run_uid = $1", [runUid]);
  const id = String(row?.["approval_id"]);
  t.match((await cli("bob", "approval", "list")).out, /nothing waits/);
  t.match((await cli("bob", "approval", "list", "--state", "expired")).out, new RegExp(`${id} +expired +approver`));
  const { out } = await cli("bob", "approval", "show", id);
  t.match(out, new RegExp(`^approval ${id} · expired\n`));
  t.notMatch(out, /decided {3}by|approval approve/, "nobody decided, and nothing is left to decide");
  t.match(await cli("bob", "approval", "approve", id), { code: 1, err: /\[APPROVAL_EXPIRED\]/ });
  t.match((await cli("alice", "run", "get", runUid, "--why", "a")).out, /approval_expired/);
  t.equal(sink.calls.length, 0, "nothing ran");
});
