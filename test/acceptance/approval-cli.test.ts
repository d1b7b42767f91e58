/**
 * Approvals from the command line: what is shown to whom, plain when piped, and `--json` (spec 04).
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { NO_STORY, type RunStory, tell } from "../../src/cli/run-story.ts";
import { showEvent } from "../../src/cli/story-lines.ts";
import { capture } from "../cli/captured.ts";
import { runCli } from "../cli/run-cli.ts";
import { openTestDatabase } from "../storage/test-database.ts";
import { deskOf, holdUntilApproved, openApproval, submitAs } from "./approval-desk.ts";
import { done, makeSink, startRig } from "./rig.ts";

const ESCAPE = String.fromCharCode(27);

t.test("a held step is listed, shown, explained and decided from the command line", async (t) => {
  const sink = makeSink(() => done(null));
  const rig = await startRig(t, {
    database: await openTestDatabase(t),
    packs: { runtime: holdUntilApproved },
    adapters: [sink.adapter],
    tenant: { runtime_pack: "runtime", required_guardrails: [] },
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
