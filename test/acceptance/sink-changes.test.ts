/**
 * Sinks that change while runs are under way: made, paused, moved, no longer approved, given new secrets, removed.
 */
import t from "tap";
import type { RunUid } from "../../src/core/ids.ts";
import { makeDeliveryStore } from "../../src/storage/delivery-store.ts";
import type { Connection } from "../../src/storage/pool.ts";
import { verifies } from "../sinks/verifies.ts";
import { openTestDatabase, type TestDatabase } from "../storage/test-database.ts";
import { allow, done, makeSink, type Rig, startRig } from "./rig.ts";
import { oneStep, QUICK, type Receiver, type SinkApi, seqsOf, sinkApi, startReceiver, tenantFor } from "./sink-desk.ts";

let database: TestDatabase;
let rig: Rig;
let api: SinkApi;
const logged: string[] = [];
const logWatchers = new Set<() => void>();
const receivers = new Map<string, Receiver>();

t.before(async () => {
  for (const name of ["made", "removed", "rotated", "withdrawn"]) receivers.set(name, await startReceiver(t));
  database = await openTestDatabase(t);
  rig = await startRig(t, {
    database,
    packs: { runtime: allow },
    adapters: [makeSink(() => done(null)).adapter],
    tenant: tenantFor(...receivers.values()),
    env: QUICK,
    onLogLine: (line) => {
      logged.push(line);
      for (const wake of logWatchers) wake();
      logWatchers.clear();
    },
  });
  api = sinkApi(rig);
});

function receiverOf(name: string): Receiver {
  const receiver = receivers.get(name);
  if (receiver === undefined) throw new TypeError(`no receiver ${name}`);
  return receiver;
}

/** Waits until so many sessions wait for this one, or for one that does; returns the kinds of locks that they wait for. */
async function untilBlocked(connection: Connection, count: number): Promise<readonly unknown[]> {
  const { rows } = await connection.query<{ pid: number }>("select pg_backend_pid() as pid", []);
  const endMs = performance.now() + 60_000;
  for (;;) {
    const blocked = await rig.rows(BLOCKED_BY, [rows[0]?.pid ?? 0]);
    if (blocked.length >= count) return blocked.map((row) => row["wait_event"]);
    if (performance.now() > endMs) throw new TypeError(`${blocked.length} sessions wait, not ${count}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const BLOCKED_BY = `
  with recursive blocked as (
    select pid from pg_stat_activity where $1::integer = any (pg_blocking_pids(pid))
    union select a.pid from pg_stat_activity a join blocked b on b.pid = any (pg_blocking_pids(a.pid)))
  select a.wait_event from pg_stat_activity a join blocked b on b.pid = a.pid`;

/** A run that waits before its only step. */
const stopped = { ...oneStep, debug: { breakpoints: [{ target: "step", value: "a" }] } };

const range = (first: number, last: number): readonly number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

t.test("a sink that is made while a run is submitted gets what follows of the run", async (t) => {
  const receiver = receiverOf("made");
  const { submitting, putting } = await database.pool.transaction(async (connection) => {
    // where a submission ends: its run is stored, and nobody sees it yet
    await connection.query("select stepgate.lock_audit($1)", [rig.tenantUid]);
    const submitting = rig.submit(stopped);
    await untilBlocked(connection, 1);
    const putting = api.put("made", receiver);
    await untilBlocked(connection, 2);
    return { submitting, putting };
  });
  const runUid = await submitting;
  await putting;
  await rig.until(runUid, (_, { status }) => status === "paused_at_step");
  const paused = (await rig.events(runUid)).length;
  t.equal((await api.call("POST", `/v1/runs/${runUid}/resume`)).status, 200);
  await rig.ended(runUid);
  const { length } = await rig.events(runUid);
  await receiver.until("its end", (one) => seqsOf(one, runUid).includes(length));
  t.same(
    seqsOf(receiver, runUid).filter((seq) => seq > paused),
    range(paused + 1, length),
  );
});

t.test("a run that is submitted while a sink is removed is stored all the same", async (t) => {
  await api.put("removed", receiverOf("removed"), { is_paused: true });
  const { removing, submitting } = await database.pool.transaction(async (connection) => {
    // where a removal ends: the sink is gone, and everybody else still sees it
    await connection.query("select stepgate.lock_audit($1)", [rig.tenantUid]);
    const removing = api.call("DELETE", "/v1/sinks/removed");
    await untilBlocked(connection, 1);
    const submitting = rig.submit(oneStep);
    const locks = await untilBlocked(connection, 2);
    t.ok(locks.includes("advisory"), "it waits before it has written anything, and does not fail and come again");
    return { removing, submitting };
  });
  t.equal((await removing).status, 204);
  await rig.ended(await submitting);
});

t.test("a removal waits for what a publisher writes at that moment, and drops the rest before it does", async (t) => {
  await api.put("removed", receiverOf("removed"), { is_paused: true });
  const runs = await Promise.all(range(1, 4).map(() => rig.submit(oneStep)));
  await Promise.all(runs.map(rig.ended));
  const [held, ...others] = runs;
  const left = () => rig.rows("select run_uid from stepgate.deliveries where sink = 'removed'");
  t.equal((await left()).length, 1 + others.length);
  const { removing } = await database.pool.transaction(async (connection) => {
    const place = [rig.tenantUid, "removed", held as string];
    // as move_deliveries does: the run, then a dead letter, which asks for the sink
    await connection.query(
      "select 1 from stepgate.deliveries where (tenant_uid, sink, run_uid) = ($1, $2, $3) for update",
      place,
    );
    const removing = api.call("DELETE", "/v1/sinks/removed");
    await untilBlocked(connection, 1);
    t.same(await left(), [{ run_uid: held }]);
    await connection.query(
      `insert into stepgate.dead_letters (tenant_uid, sink, run_uid, seq, event_type, body, attempts, fault)
       values ($1, $2, $3, 1, 'run_submitted', '{}', 1, 'status_410')`,
      place,
    );
    return { removing };
  });
  t.equal((await removing).status, 204);
  t.same(await left(), []);
  t.same(await rig.rows("select 1 from stepgate.dead_letters where sink = 'removed'"), []);
  const audit = await rig.rows(
    "select action, resource from stepgate.audit_log where action like 'sink.%' order by seq desc limit 2",
  );
  t.match(audit, [
    { action: "sink.delete", resource: '{"name":"removed"}' },
    { action: "sink.backlog.drop", resource: '{"dead_letters":0,"name":"removed","runs":3}' },
  ]);
});

t.test("a walk through the runs of a sink goes on where the look before it ended, up to the last", async (t) => {
  await api.put("walked", receiverOf("made"), { is_paused: true });
  const runs = await Promise.all(range(1, 5).map(() => rig.submit(oneStep)));
  await Promise.all(runs.map(rig.ended));
  const { workerPool, store } = rig.stepgate.rooms;
  const deliveries = makeDeliveryStore(workerPool, store);
  const looks: (readonly string[])[] = [];
  let after: RunUid | undefined;
  do {
    const [look] = await deliveries.find([{ tenantUid: rig.tenantUid, sink: "walked", after }], 2);
    looks.push(look?.due ?? []);
    after = look?.walkedTo;
  } while (after !== undefined);
  const inOrder = runs.toSorted();
  t.same(looks, [inOrder.slice(0, 2), inOrder.slice(2, 4), inOrder.slice(4)]);
  t.equal((await api.call("DELETE", "/v1/sinks/walked")).status, 204);
});

t.test("of two rotations at once one is refused, and both secrets sign for a day", async (t) => {
  const receiver = receiverOf("rotated");
  const before = await api.put("rotated", receiver);
  const { rotations } = await database.pool.transaction(async (connection) => {
    await connection.query("select 1 from stepgate.sinks where (tenant_uid, name) = ($1, 'rotated') for update", [
      rig.tenantUid,
    ]);
    const rotations = [1, 2].map(() => api.call("POST", "/v1/sinks/rotated/secret"));
    await untilBlocked(connection, 2);
    return { rotations };
  });
  const [made, refused] = (await Promise.all(rotations)).toSorted((one, other) => one.status - other.status);
  t.match([made, refused], [{ status: 200 }, { status: 409, json: { code: "STATE_CONFLICT" } }]);
  const after = String(made?.json["secret"]);
  for (;;) {
    const runUid = await rig.submit(oneStep);
    await rig.ended(runUid);
    await receiver.until("the run", (one) => seqsOf(one, runUid).length > 0);
    const last = receiver.messages.at(-1);
    const signatures = String(last?.headers["webhook-signature"]).split(" ");
    // the publisher has read the sinks anew
    if (last === undefined || signatures.length === 1) continue;
    const message = { id: last.id, timestampSec: Number(last.headers["webhook-timestamp"]), body: last.body };
    t.same(
      signatures.map((signature) => [verifies(before, message, signature), verifies(after, message, signature)]),
      [
        [false, true],
        [true, false],
      ],
      "the new secret's first, each good under its own",
    );
    return;
  }
});

t.test("while the platform does not approve a sink's host, what happens waits", async (t) => {
  const receiver = receiverOf("withdrawn");
  await api.put("withdrawn", receiver, { is_paused: true });
  await approve("made", "removed", "rotated");
  // nobody can do this through the API: it asks for the approval
  await database.pool.query(
    "update stepgate.sinks set is_paused = false where (tenant_uid, name) = ($1, 'withdrawn')",
    [rig.tenantUid],
  );
  const runUid = await rig.submit(oneStep);
  await rig.ended(runUid);
  await untilLogged(/does not approve this sink's host/);
  const { length } = await rig.events(runUid);
  t.match((await api.call("GET", "/v1/sinks/withdrawn")).json, {
    is_approved: false,
    waiting_runs: 1,
    dead_letters: 0,
  });
  t.match(await api.list("withdrawn", "deliveries"), [{ run_uid: runUid, done_seq: 0, attempts: 0 }]);
  t.equal(receiver.messages.length, 0);
  await approve(...receivers.keys());
  await receiver.until("the whole run", (one) => seqsOf(one, runUid).length === length);
  t.match((await api.call("GET", "/v1/sinks/withdrawn")).json, { is_approved: true });
});

/** What the platform lets the tenant's sinks reach from now on. */
async function approve(...names: readonly string[]): Promise<void> {
  const settings = tenantFor(...names.map(receiverOf));
  const tenant = { tenantUid: rig.tenantUid, tenantId: "default", weight: 1, isPaused: false, quotas: [] };
  await rig.stepgate.rooms.tenants.put({ ...tenant, settings, actor: "test" });
}

async function untilLogged(text: RegExp): Promise<void> {
  while (!logged.some((line) => text.test(line))) await new Promise<void>((resolve) => logWatchers.add(resolve));
}
