/**
 * Publishers that die: at the two points around a try, and at any moment with others at work. No event is lost, none overtakes
 * another of its run, and what is sent twice has the same id.
 */
import t, { type Test } from "tap";
import type { RunUid } from "../../src/core/ids.ts";
import { allow, done, makeSink, type Rig, startRig } from "../acceptance/rig.ts";
import {
  oneStep,
  QUICK,
  type Receiver,
  seqsOf,
  sinkApi,
  startReceiver,
  tenantFor,
  untilDelivered,
} from "../acceptance/sink-desk.ts";
import { startWorker, type WorkerProcess } from "../acceptance/workers.ts";
import { openTestDatabase, type TestDatabase } from "../storage/test-database.ts";

/** A dead publisher's runs are taken over after three times the timeout. */
const SHORT = {
  ...QUICK,
  STEPGATE_SINK_MAX_ATTEMPTS: "50",
  STEPGATE_SINK_TIMEOUT_MS: "300",
  STEPGATE_LEASE_MS: "700",
  STEPGATE_REAPER_INTERVAL_MS: "100",
};

let database: TestDatabase;
let receiver: Receiver;
let rig: Rig;
let answer: () => number = () => 200;
let survivor: WorkerProcess | undefined;

/** A gateway alone: every publisher is in a process of its own. */
t.before(async () => {
  database = await openTestDatabase(t);
  receiver = await startReceiver(t, () => answer());
  rig = await startRig(t, {
    database,
    packs: { runtime: allow },
    adapters: [makeSink(() => done(null)).adapter],
    tenant: tenantFor(receiver),
    env: { STEPGATE_ROLE: "gateway" },
  });
  await sinkApi(rig).put("hooks", receiver);
});

const lengthOf = async (runUid: RunUid): Promise<number> => (await rig.events(runUid)).length;

/** Every event of the run was acknowledged, each for the first time after the one before it, and its copies are equal. */
function arrivedInOrder(t: Test, runUid: RunUid, length: number): void {
  const seqs = seqsOf(receiver, runUid);
  t.same(
    [...new Set(seqs)],
    Array.from({ length }, (_, index) => index + 1),
    "all of them, the first of each in order",
  );
  const own = receiver.messages.filter((message) => message.runUid === runUid);
  t.equal(new Set(own.map(({ id, body }) => id + body)).size, length, "copies are equal");
}

t.test("a publisher killed around a try loses nothing: the next one sends it, again if it was sent", async (t) => {
  const runUid = await rig.submit(oneStep);
  const tries = () => receiver.messages.filter((message) => message.runUid === runUid).length;
  for (const [point, sent] of [
    ["before_publish", 0],
    ["after_publish", 1],
  ] as const) {
    const doomed = await startWorker(t, { rig, database, env: { ...SHORT, STEPGATE_FAIL_POINT: point } });
    t.equal(await doomed.ended, "SIGKILL", `${point} was reached`);
    t.equal(tries(), sent);
  }
  survivor = await startWorker(t, { rig, database, env: SHORT });
  await rig.ended(runUid);
  const length = await lengthOf(runUid);
  await receiver.until("the whole run", (one) => seqsOf(one, runUid).includes(length));
  arrivedInOrder(t, runUid, length);
  t.equal(tries(), length + 1, "only what nobody had written as done is sent again");
});

t.test("publishers side by side, one killed, at a sink that often fails: every run whole and in order", async (t) => {
  let tries = 0;
  // every fifth try fails, wherever that falls
  answer = () => (++tries % 5 === 0 ? 503 : 200);
  await startWorker(t, { rig, database, env: SHORT });
  const chain = {
    steps: ["a", "b", "c"].map((id) => ({ id, type: "sink", inputs: {} })),
    edges: [
      ["a", "b"],
      ["b", "c"],
    ],
  };
  const before = receiver.acknowledged.length;
  const runs = await Promise.all(Array.from({ length: 12 }, () => rig.submit(chain)));
  await receiver.until("a part of them", ({ acknowledged }) => acknowledged.length >= before + 30);
  survivor?.kill("SIGKILL");
  await Promise.all(runs.map((runUid) => rig.ended(runUid)));
  const lengths = new Map(await Promise.all(runs.map(async (runUid) => [runUid, await lengthOf(runUid)] as const)));
  await receiver.until("every event", (one) =>
    runs.every((runUid) => seqsOf(one, runUid).includes(lengths.get(runUid) ?? 0)),
  );
  for (const runUid of runs) arrivedInOrder(t, runUid, lengths.get(runUid) ?? 0);
  t.same(await sinkApi(rig).list("hooks", "dead-letters"), []);
  await untilDelivered(rig, runs);
});
