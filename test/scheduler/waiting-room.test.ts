import { mock } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import t, { type Test } from "tap";
import type { TenantUid } from "../../src/core/ids.ts";
import type { Wake } from "../../src/scheduler/ports.ts";
import { makeWaitingRoom, type PutBack } from "../../src/scheduler/waiting-room.ts";

const [ACME, OTHER] = ["acme", "other"] as unknown as readonly [TenantUid, TenantUid];
const place: PutBack = { tenantUid: ACME, reason: "concurrency_key", of: "crm", resetsInMs: undefined };

function openRoom(t: Test, wake: () => number = () => 1) {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.teardown(() => mock.timers.reset());
  const sent: (readonly Wake[])[] = [];
  const warnings: string[] = [];
  let nowMs = 1000;
  let woken = 0;
  const room = makeWaitingRoom({
    queue: {
      wake: async (wakes) => {
        sent.push(wakes);
        return wake();
      },
    },
    clock: { monotonicMs: () => nowMs },
    leastMs: 50,
    onWoken: () => {
      woken += 1;
    },
    log: { warn: (_, message) => warnings.push(message) },
  });
  const pass = async (ms: number) => {
    nowMs += ms;
    mock.timers.tick(ms);
    await turn();
  };
  return { room, sent, warnings, pass, woken: () => woken };
}

t.test("few are looked at again soon, a crowd of one tenant a hundred times a second", async (t) => {
  const { room, pass } = openRoom(t);
  t.equal(room.putBack(place), 50);
  const delays = Array.from({ length: 400 }, () => room.putBack(place));
  t.same(delays.slice(0, 3), [60, 70, 80]);
  t.equal(delays.at(-1), 4050, "each in its turn, whatever it waits for");
  t.equal(room.putBack({ ...place, reason: "quota", of: "at_once" }), 4060);
  t.equal(room.putBack({ ...place, tenantUid: OTHER }), 50, "another tenant waits for itself alone");
  await pass(10_000);
  t.equal(room.putBack(place), 50, "the crowd is gone");
});

t.test("what was put back is counted by tenant, once", (t) => {
  const { room } = openRoom(t);
  for (const tenantUid of [ACME, OTHER, ACME]) room.putBack({ ...place, tenantUid });
  t.same(room.takeCounts(), [
    { tenantUid: ACME, steps: 2 },
    { tenantUid: OTHER, steps: 1 },
  ]);
  t.same(room.takeCounts(), []);
  room.putBack(place);
  t.same(room.takeCounts(), [{ tenantUid: ACME, steps: 1 }]);
  t.end();
});

t.test("what resets is looked at after its reset, and puts nothing else off", async (t) => {
  const { room, sent, pass } = openRoom(t);
  const reset: PutBack = { ...place, reason: "quota", of: "daily", resetsInMs: 30_000 };
  t.equal(room.putBack(reset), 30_000);
  t.equal(room.putBack(reset), 30_010);
  t.equal(room.putBack(place), 50);
  t.equal(
    room.putBack({ ...reset, resetsInMs: -5 }),
    30_020,
    "one whose reset has passed meanwhile stands behind them",
  );
  room.ended({ tenantUid: ACME, concurrencyKey: undefined });
  await pass(5);
  t.same(sent, [], "an end gives nothing back of what was used up");
});

t.test("as many are woken as attempts have ended, of what they may have held a place of", async (t) => {
  const { room, sent, pass, woken } = openRoom(t);
  for (const key of ["crm", "mail"]) room.putBack({ ...place, of: key });
  room.putBack({ ...place, reason: "quota", of: "at_once" });
  room.putBack({ ...place, reason: "backpressure", of: undefined });
  room.ended({ tenantUid: ACME, concurrencyKey: "crm" });
  room.ended({ tenantUid: ACME, concurrencyKey: undefined });
  room.ended({ tenantUid: OTHER, concurrencyKey: "crm" });
  await pass(4);
  t.same(sent, [], "ends of one moment are told together");
  await pass(1);
  t.same(sent, [
    [
      { tenantUid: ACME, reason: "concurrency_key", of: "crm", steps: 1 },
      { tenantUid: ACME, reason: "quota", of: "at_once", steps: 2 },
      { tenantUid: ACME, reason: "backpressure", of: undefined, steps: 2 },
    ],
  ]);
  t.equal(woken(), 1);
  await pass(1000);
  room.ended({ tenantUid: ACME, concurrencyKey: "crm" });
  await pass(5);
  t.equal(sent.length, 1, "nobody is known to wait any more");
});

t.test(
  "of thousands of keys an end wakes its own, also after those were forgotten that nobody waits for",
  async (t) => {
    const { room, sent, pass } = openRoom(t);
    for (let n = 0; n < 2500; n += 1) room.putBack({ ...place, of: `key-${n}` });
    // the first ones' looks are past, those of the later ones are not
    await pass(12_000);
    for (const n of [7, 2400]) room.putBack({ ...place, of: `again-${n}` });
    for (const key of ["key-7", "key-1500", "again-7"]) room.ended({ tenantUid: ACME, concurrencyKey: key });
    await pass(5);
    t.same(
      sent.flat().map(({ of }) => of),
      ["key-1500", "again-7"],
    );
  },
);

t.test("a wake that fails or finds nobody wakes no worker, and the next one is sent", async (t) => {
  let answer = (): number => {
    throw new TypeError("the database is away");
  };
  const { room, sent, warnings, pass, woken } = openRoom(t, () => answer());
  const end = async () => {
    room.putBack(place);
    room.ended({ tenantUid: ACME, concurrencyKey: "crm" });
    await pass(5);
  };
  await end();
  t.same(warnings, ["steps that wait for a place were not woken"]);
  answer = () => 0;
  await end();
  t.equal(woken(), 0);
  answer = () => 1;
  await end();
  t.equal(woken(), 1);
  room.ended({ tenantUid: ACME, concurrencyKey: "crm" });
  room.stop();
  await pass(5);
  t.equal(sent.length, 3, "nothing is sent by a worker that has stopped");
});
