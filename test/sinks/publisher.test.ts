/**
 * A publisher's choices: whom it sends to now, how much at once, and that it finds whatever waits.
 */
import t from "tap";
import { type OutboxOptions, sinkTo, startOutbox, TENANT } from "./outbox.ts";

const ONE = sinkTo("one.example");
const QUICK_POLL: OutboxOptions["deps"] = { pollMs: 5 };

t.test("a change of a sink reaches a run that is being delivered, with its next event", async (t) => {
  const withdrawn = { ...ONE, approved: { hosts: [], privateHosts: [] } };
  const stops = [
    { why: "paused or removed", sinks: [] },
    { why: "its host is not approved any more", sinks: [withdrawn] },
  ];
  for (const { why, sinks } of stops) {
    const unapproved: string[] = [];
    const outbox = startOutbox(t, { runs: 1, deps: { ...QUICK_POLL, onUnapproved: (sink) => unapproved.push(sink) } });
    await outbox.until(() => outbox.open.length === 1);
    outbox.sinks = sinks;
    await outbox.nextSinks();
    outbox.open[0]?.answer({ ok: true });
    await outbox.until(() => outbox.leased() === 0);
    await outbox.nextSinks();
    t.equal(outbox.sent.length, 1, `${why}: nothing more is sent`);
    t.same(unapproved, sinks.length === 0 ? [] : ["hooks"], "said once");
    outbox.sinks = [ONE];
    await outbox.until(() => outbox.sent.length === 2);
    t.match(outbox.sent[1]?.id, /_2$/, "and it goes on where it stopped");
  }
});

t.test("a new URL, other types and new secrets are those of the next event", async (t) => {
  const outbox = startOutbox(t, { runs: 1, deps: QUICK_POLL });
  await outbox.until(() => outbox.open.length === 1);
  outbox.sinks = [sinkTo("two.example", { version: 2 })];
  await outbox.nextSinks();
  outbox.open[0]?.answer({ ok: true });
  await outbox.until(() => outbox.sent.length === 2);
  t.same(
    outbox.sent.map(({ url }) => url),
    ["https://one.example/", "https://two.example/"],
  );
  outbox.sinks = [sinkTo("two.example", { version: 3, eventTypes: ["run_failed"] })];
  await outbox.nextSinks();
  outbox.open[0]?.answer({ ok: true });
  await outbox.until(() => outbox.leased() === 0);
  t.equal(outbox.sent.length, 2, "the third is of no type that it asks for");
});

t.test("a sink has no more runs under way than it has places, and what finds none is kept", async (t) => {
  const outbox = startOutbox(t, { runs: 0 });
  await outbox.until(() => outbox.calls.find === 1);
  const runs = outbox.add(40);
  for (const run of runs) outbox.publisher.wake(TENANT, run);
  await outbox.until(() => outbox.open.length >= 16);
  await outbox.settled();
  t.equal(outbox.open.length, 16);
  outbox.acknowledgeAll();
  await outbox.until(() => outbox.sent.length === 120 && outbox.leased() === 0);
  t.equal(outbox.mostOpen(), 16);
  t.same(outbox.claimed, runs, "each was asked for once, in the order of the news");
  t.equal(outbox.calls.find, 1, "and nothing was looked for again");
});

t.test("a walk goes on at once through more runs than one look takes", async (t) => {
  const outbox = startOutbox(t, { runs: 50, deps: { maxScanned: 7 } });
  outbox.acknowledgeAll();
  await outbox.until(() => outbox.sent.length === 150 && outbox.leased() === 0);
  t.equal(new Set(outbox.claimed).size, outbox.claimed.length, "each was asked for once");
  t.equal(outbox.calls.activeSinks, 1, "with one poll");
  t.ok(outbox.calls.find <= Math.ceil(50 / 7) + 1, `${outbox.calls.find} looks`);
});

t.test("dead letters that are sent again follow each other, a few at once, beside the runs", async (t) => {
  const outbox = startOutbox(t, { runs: 30, letters: 10 });
  const letters = () => outbox.open.filter(({ id }) => id.startsWith("evt_00000000000070008000000000000999"));
  await outbox.until(() => letters().length >= 4);
  await outbox.settled();
  t.equal(letters().length, 4);
  while (outbox.lettersLeft() > 0) {
    await outbox.until(() => letters().length > 0 || outbox.lettersLeft() === 0);
    letters()[0]?.answer({ ok: true });
  }
  t.equal(outbox.calls.activeSinks, 1, "with one poll");
});

t.test("a sink that fails keeps one place for its runs and one for its letters", async (t) => {
  const outbox = startOutbox(t, { runs: 30, letters: 10 });
  for (let failed = 0; failed < 22; failed += 1) {
    await outbox.until(() => outbox.open.length > 0);
    outbox.open[0]?.answer({ ok: false, fault: "status_503", isFinal: false, retryAfterMs: undefined });
  }
  await outbox.settled();
  t.equal(outbox.open.length, 2);
});

t.test("a look that fails waits for the next poll", async (t) => {
  const faults: unknown[] = [];
  const outbox = startOutbox(t, { runs: 30, isDatabaseAway: true, deps: { onFault: (caught) => faults.push(caught) } });
  await outbox.until(() => outbox.calls.find === 1);
  await outbox.settled();
  t.equal(outbox.calls.find, 1);
  t.equal(faults.length, 1);
});
