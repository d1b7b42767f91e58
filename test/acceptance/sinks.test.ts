/**
 * Sinks on the whole product: every event leaves, in the order of its run, signed; what is not taken is tried again, given up
 * and redriven; nobody waits for a sink that hangs.
 */
import t from "tap";
import type { JsonObject } from "../../src/core/json.ts";
import { verifies } from "../sinks/verifies.ts";
import { openTestDatabase } from "../storage/test-database.ts";
import { allow, done, makeSink, type Rig, startRig } from "./rig.ts";
import {
  oneStep,
  QUICK,
  type Receiver,
  type SinkApi,
  seqsOf,
  sinkApi,
  startReceiver,
  tenantFor,
  untilDelivered,
} from "./sink-desk.ts";

/** What a receiver answers, by the name of the sink's path; changed by each test. */
let rig: Rig;
let api: SinkApi;
const answers = new Map<string, Parameters<typeof startReceiver>[1]>();
const receivers = new Map<string, Receiver>();

t.before(async () => {
  for (const name of ["good", "other", "flaky", "gone", "away", "hangs", "picky", "late"]) {
    receivers.set(name, await startReceiver(t, (message, tries) => answers.get(name)?.(message, tries) ?? 200));
  }
  rig = await startRig(t, {
    database: await openTestDatabase(t),
    packs: { runtime: allow },
    adapters: [makeSink(() => done({ text: "planted-in-outputs" })).adapter],
    tenant: tenantFor(...receivers.values()),
    // longer than a test waits for anything: whoever waits for a sink that hangs fails
    env: { ...QUICK, STEPGATE_SINK_TIMEOUT_MS: "40000" },
  });
  api = sinkApi(rig);
});

function receiverOf(name: string): Receiver {
  const receiver = receivers.get(name);
  if (receiver === undefined) throw new TypeError(`no receiver ${name}`);
  return receiver;
}

/** Submits a run of one step, waits for its end, and returns how long its log is. */
async function run(): Promise<{ readonly runUid: string; readonly length: number }> {
  const runUid = await rig.submit(oneStep);
  await rig.ended(runUid);
  return { runUid, length: (await rig.events(runUid)).length };
}

const isWhole =
  ({ runUid, length }: { readonly runUid: string; readonly length: number }) =>
  (receiver: Receiver): boolean =>
    seqsOf(receiver, runUid).length >= length;

const upTo = (length: number): readonly number[] => Array.from({ length }, (_, index) => index + 1);

t.test("every event of a run arrives once, in order, signed, as a CloudEvent of ids and status", async (t) => {
  const receiver = receiverOf("good");
  const secret = await api.put("good", receiver);
  const one = await run();
  await receiver.until("the whole run", isWhole(one));
  t.same(seqsOf(receiver, one.runUid), upTo(one.length));
  const types = (await rig.events(one.runUid as never)).map(({ type }) => `stepgate.${type}`);
  t.same(
    receiver.messages.map(({ event }) => event["type"]),
    types,
  );
  t.equal(types.at(-1), "stepgate.run_succeeded");
  for (const { id, headers, body, event, seq } of receiver.messages) {
    const timestampSec = Number(headers["webhook-timestamp"]);
    const signature = String(headers["webhook-signature"]);
    t.ok(verifies(secret, { id, timestampSec, body }, signature), `event ${seq} verifies`);
    t.notOk(verifies(secret, { id, timestampSec, body: `${body} ` }, signature), "an altered body does not");
    t.ok(Math.abs(Date.now() / 1000 - timestampSec) < 60);
    t.equal(headers["content-type"], "application/cloudevents+json; charset=utf-8");
    t.match(event, { specversion: "1.0", id, source: `urn:stepgate:${rig.tenantUid}`, partitionkey: one.runUid });
    t.match(event["data"], { run_uid: one.runUid, seq });
    t.notMatch(body, /planted|blob|jti|lease|seed/, "ids and status only");
  }
  t.equal(new Set(receiver.messages.map(({ id }) => id)).size, one.length, "each has an id of its own");
  await untilDelivered(rig, [one.runUid]);
});

t.test(
  "an event that was not taken is sent again with its id, before the run's next one, while other runs go on",
  async (t) => {
    const receiver = receiverOf("flaky");
    let blocked = "";
    answers.set("flaky", ({ runUid, seq }, tries) => {
      blocked ||= runUid;
      return runUid === blocked && seq === 2 && tries <= 3 ? ([503, 429, 408][tries - 1] ?? 500) : 200;
    });
    await api.put("flaky", receiver);
    const first = await run();
    const second = await run();
    await receiver.until("both runs", (one) => isWhole(first)(one) && isWhole(second)(one));
    t.same(seqsOf(receiver, first.runUid), upTo(first.length));
    t.same(seqsOf(receiver, second.runUid), upTo(second.length));
    const tries = receiver.messages.filter(({ runUid, seq }) => runUid === blocked && seq === 2);
    t.equal(tries.length, 4);
    t.equal(new Set(tries.map(({ id, body }) => id + body)).size, 1, "the same message at each try");
    const order = receiver.messages.filter(({ runUid }) => runUid === blocked).map(({ seq }) => seq);
    t.same(order.slice(0, 5), [1, 2, 2, 2, 2], "nothing of the run overtook it");
    t.same(await api.list("flaky", "dead-letters"), []);
  },
);

t.test("a refusal is a dead letter at once, and a redrive sends the same message again", async (t) => {
  const receiver = receiverOf("gone");
  answers.set("gone", ({ seq }) => (seq === 2 ? 410 : 200));
  await api.put("gone", receiver);
  const one = await run();
  await receiver.until("the rest of the run", (r) => seqsOf(r, one.runUid).includes(one.length));
  t.same(
    seqsOf(receiver, one.runUid),
    upTo(one.length).filter((seq) => seq !== 2),
  );
  const [letter, ...others] = await api.list("gone", "dead-letters");
  t.match(letter, { run_uid: one.runUid, seq: 2, fault: "status_410", attempts: 1 });
  t.same(others, []);
  answers.delete("gone");
  t.match(await api.call("POST", "/v1/sinks/gone/redrive", { run_uid: one.runUid }), {
    status: 200,
    json: { redriven: 1 },
  });
  await receiver.until("the redriven one", (r) => seqsOf(r, one.runUid).includes(2));
  const tries = receiver.messages.filter(({ runUid, seq }) => runUid === one.runUid && seq === 2);
  t.equal(tries.length, 2);
  t.equal(new Set(tries.map(({ id, body }) => id + body)).size, 1);
  await untilEmpty("gone");
});

/** A letter is gone once its acknowledgement is written. */
async function untilEmpty(name: string): Promise<void> {
  const endMs = performance.now() + 60_000;
  while ((await api.list(name, "dead-letters")).length > 0) {
    if (performance.now() > endMs) throw new TypeError("a dead letter is left");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

t.test(
  "what is never taken is a dead letter after the last try, and rests again after a redrive that fails",
  async (t) => {
    const receiver = receiverOf("away");
    answers.set("away", ({ seq }) => (seq === 1 ? 500 : 200));
    await api.put("away", receiver);
    const one = await run();
    await receiver.until("the rest of the run", (r) => seqsOf(r, one.runUid).includes(one.length));
    const tries = () => receiver.messages.filter(({ seq }) => seq === 1).length;
    t.equal(tries(), 4);
    t.match(await api.list("away", "dead-letters"), [{ seq: 1, fault: "status_500", attempts: 4 }]);
    await api.call("POST", "/v1/sinks/away/redrive", {});
    await receiver.until("four tries more", () => tries() === 8);
    let rests: JsonObject | undefined;
    for (;;) {
      [rests] = await api.list("away", "dead-letters");
      if (rests?.["redrive_at"] === undefined) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    t.match(rests, { seq: 1, attempts: 4 });
  },
);

t.test("a sink that hangs holds up neither steps nor another sink, and shows what waits", async (t) => {
  const [hangs, other] = [receiverOf("hangs"), receiverOf("other")];
  answers.set("hangs", () => "hang");
  await api.put("hangs", hangs);
  await api.put("other", other);
  const runs = await Promise.all(upTo(6).map(() => run()));
  await other.until("every run at the other sink", (r) => runs.every((one) => isWhole(one)(r)));
  for (const one of runs) t.same(seqsOf(other, one.runUid), upTo(one.length));
  t.equal(hangs.acknowledged.length, 0);
  const waiting = await api.list("hangs", "deliveries");
  for (const one of runs) {
    t.match(
      waiting.find(({ run_uid: runUid }) => runUid === one.runUid),
      { head_seq: one.length },
    );
  }
  const { json } = await api.call("GET", "/v1/sinks/hangs");
  t.ok(Number(json["waiting_runs"]) >= runs.length, `${json["waiting_runs"]} wait`);
  t.equal((await api.call("DELETE", "/v1/sinks/hangs")).status, 204);
  t.equal((await api.call("GET", "/v1/sinks/hangs/deliveries")).status, 404);
});

t.test("a sink gets the types it asks for; while it is paused they wait", async (t) => {
  const receiver = receiverOf("picky");
  const settings = { events: ["run_succeeded", "run_failed"], is_paused: true };
  await api.put("picky", receiver, settings);
  const one = await run();
  // everything of this run is at a sink that is not paused: the publisher has been through
  await receiverOf("good").until("the same run elsewhere", isWhole(one));
  t.equal(receiver.messages.length, 0);
  await api.call("PUT", "/v1/sinks/picky", { url: receiver.url, ...settings, is_paused: false });
  await receiver.until("its end", (r) => r.acknowledged.length === 1);
  t.match(receiver.messages[0]?.event, { type: "stepgate.run_succeeded", subject: one.runUid });
});

t.test("a transaction that commits late loses nothing", async (t) => {
  const receiver = receiverOf("late");
  await api.put("late", receiver);
  const before = await rig.submit({ ...oneStep, debug: { breakpoints: [{ target: "step", value: "a" }] } });
  await rig.until(before, (_, { status }) => status === "paused_at_step");
  const paused = (await rig.events(before)).length;
  await receiver.until("what led to the pause", (r) => seqsOf(r, before).length === paused);
  await rig.stepgate.rooms.workerPool.transaction(async (connection) => {
    // its events have their places and their times now, and nobody sees them yet
    await connection.query(APPEND, [rig.tenantUid, before]);
    const later = await run();
    await receiver.until("a run that came after", isWhole(later));
    t.equal(seqsOf(receiver, before).length, paused);
  });
  await receiver.until("what was committed late", isWhole({ runUid: before, length: paused + 1 }));
  t.same(seqsOf(receiver, before), upTo(paused + 1));
});

/** An event of a run, as settlement appends it: under the lock of its head. */
const APPEND = `
  select stepgate.save_head(stepgate.append_event(stepgate.lock_run($1, $2), 'step_queued', 'a', '{"reason":"approved"}'))`;

t.test("a secret is shown once, and for a day after a rotation the one before is good too", async (t) => {
  const receiver = receiverOf("good");
  const put = await api.call("PUT", "/v1/sinks/good", { url: receiver.url, is_paused: false });
  t.match(put, { status: 200, json: { secret: undefined } });
  t.match((await api.call("GET", "/v1/sinks/good")).json, { secret: undefined });
  const { json } = await api.call("POST", "/v1/sinks/good/secret");
  const fresh = String(json["secret"]);
  await receiver.until("a message under the new secret", () => true);
  for (;;) {
    const one = await run();
    await receiver.until("the run", isWhole(one));
    const last = receiver.messages.at(-1);
    const signatures = String(last?.headers["webhook-signature"]).split(" ");
    if (last === undefined || signatures.length === 1) continue;
    const message = { id: last.id, timestampSec: Number(last.headers["webhook-timestamp"]), body: last.body };
    t.equal(signatures.length, 2);
    t.ok(verifies(fresh, message, signatures[0] ?? ""));
    break;
  }
});

t.test("hosts that the platform did not approve, and URLs that are none, are refused", async (t) => {
  const refusals = [
    { url: "https://hooks.example/x", code: "SINK_HOST_NOT_APPROVED" },
    { url: "http://127.0.0.1:1/x", code: "SINK_HOST_NOT_APPROVED" },
    { url: "http://169.254.169.254/latest", code: "SINK_HOST_NOT_APPROVED" },
    { url: "ftp://hooks.example/x", code: "FIELD_INVALID" },
    { url: "hooks", code: "FIELD_INVALID" },
    { url: receiverOf("good").url.replace("//", "//user:pass@"), code: "FIELD_INVALID" },
  ];
  for (const { url, code } of refusals) {
    const { json } = await api.call("PUT", "/v1/sinks/refused", { url, is_paused: false });
    t.equal(json["code"], code, url);
  }
  t.equal((await api.call("GET", "/v1/sinks/refused")).status, 404, "nothing was made");
});
