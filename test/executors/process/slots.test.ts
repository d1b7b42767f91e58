/** Slots: bounded, each with its own uid, served in turn, never given out twice. */
import t from "tap";
import { makeSlotPool } from "../../../src/executors/process/slots.ts";
import { never } from "../call.ts";

t.test("gives each holder a uid of its own, and the next one in turn what comes back", async (t) => {
  const pool = makeSlotPool({ firstUid: 61_000, count: 2 });
  const [first, second] = [await pool.take(never), await pool.take(never)];
  t.same([first?.uid, second?.uid], [61_000, 61_001]);
  const order: string[] = [];
  const third = pool.take(never).then((slot) => order.push(`third ${slot?.uid}`));
  const fourth = pool.take(never).then((slot) => order.push(`fourth ${slot?.uid}`));
  second?.release();
  second?.release();
  await third;
  t.same(order, ["third 61001"], "a slot given back twice serves one waiter");
  first?.release();
  await fourth;
  t.same(order, ["third 61001", "fourth 61000"]);
});

t.test("gives nothing to whoever stopped waiting", async (t) => {
  const pool = makeSlotPool({ firstUid: undefined, count: 1 });
  const held = await pool.take(never);
  const abort = new AbortController();
  const waiting = pool.take(abort.signal);
  abort.abort();
  t.equal(await waiting, undefined);
  t.equal(await pool.take(AbortSignal.abort()), undefined);
  held?.release();
  t.match(await pool.take(never), { uid: undefined }, "the slot is free again");
});
