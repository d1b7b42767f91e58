/** What processes tell each other: how often, whether it arrives, and what happens where it does not. */
import t from "tap";
import { type Notice, Notices } from "../../src/storage/notices.ts";
import { makeOpenListener, type OpenListener, type Pool } from "../../src/storage/pool.ts";
import { openTestDatabase, silentLog } from "./test-database.ts";

const silentListener: OpenListener = async () => ({ close: async () => undefined });

t.test("a notice arrives at the others and not at its sender, with the runs that have ended", async (t) => {
  const { target, pool } = await openTestDatabase(t);
  const open = makeOpenListener({ ...target, maxConnections: 1, applicationName: "stepgate test", log: silentLog });
  const heard: Notice[] = [];
  let tell = (): void => undefined;
  const own: Notice[] = [];
  const sender = new Notices({ pool, open, log: silentLog, onNotice: (notice) => own.push(notice) });
  const receiver = new Notices({
    pool,
    open,
    log: silentLog,
    onNotice: (notice) => {
      heard.push(notice);
      tell();
    },
  });
  await Promise.all([sender.start(), receiver.start()]);
  t.ok(sender.isListening && receiver.isListening, "the test of each connection was heard");
  const arrived = new Promise<void>((resolve) => {
    tell = resolve;
  });
  sender.ended("run-1");
  sender.ended("run-2");
  sender.ended("run-1");
  sender.ready();
  await arrived;
  t.same(heard, [{ isReady: true, endedRuns: ["run-1", "run-2"] }]);
  t.same(own, []);
  await Promise.all([sender.stop(), receiver.stop()]);
});

t.test("however many there are, at most one notice leaves in an interval, and none is forgotten", async (t) => {
  const sent: { readonly atMs: number; readonly payload: string }[] = [];
  const pool = {
    query: async (_text: string, [, payload]: readonly string[] = []) => {
      sent.push({ atMs: performance.now(), payload: payload ?? "" });
      return { rows: [], rowCount: 0 };
    },
  } as unknown as Pool;
  const notices = new Notices({ pool, open: silentListener, log: silentLog, onNotice: () => undefined });
  for (let run = 0; run < 150; run += 1) {
    notices.ended(`run-${run}`);
    if (run % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  while (sent.flatMap(({ payload }) => payload.split(" ").slice(2)).length < 150) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const gaps = sent.slice(1).map(({ atMs }, index) => atMs - (sent[index]?.atMs ?? 0));
  t.ok(
    gaps.every((gap) => gap > 4.5),
    `gaps of ${gaps.map(Math.round).join(", ")} ms`,
  );
  t.equal(new Set(sent.flatMap(({ payload }) => payload.split(" ").slice(2))).size, 150);
  await notices.stop();
});

t.test("too many runs to name wake every reader", async (t) => {
  const payloads: string[] = [];
  const pool = {
    query: async (_text: string, [, payload]: readonly string[] = []) => {
      payloads.push(payload ?? "");
      return { rows: [], rowCount: 0 };
    },
  } as unknown as Pool;
  let hear: (payload: string) => void = () => undefined;
  const heard: Notice[] = [];
  const receiver = new Notices({
    pool,
    open: async ({ onPayload }) => {
      hear = onPayload;
      return { close: async () => undefined };
    },
    log: silentLog,
    onNotice: (notice) => heard.push(notice),
    settings: { testMs: 1 },
  });
  await receiver.start();
  const sender = new Notices({ pool, open: silentListener, log: silentLog, onNotice: () => undefined });
  for (let run = 0; run < 500; run += 1) sender.ended(`run-${run}`);
  while (!payloads.some((payload) => payload.endsWith("*"))) await new Promise((resolve) => setTimeout(resolve, 5));
  hear(payloads.at(-1) ?? "");
  t.same(heard, [{ isReady: false, endedRuns: undefined }]);
  hear("of something else entirely");
  t.equal(heard.length, 1, "what is not ours is nothing");
  await Promise.all([sender.stop(), receiver.stop()]);
});

t.test("a pooler that swallows notices is found out at the start, said once, and polled behind", async (t) => {
  const { pool } = await openTestDatabase(t);
  const warnings: string[] = [];
  let isClosed = false;
  const notices = new Notices({
    pool,
    open: async () => ({
      close: async () => {
        isClosed = true;
      },
    }),
    log: { ...silentLog, warn: (_fields, message) => warnings.push(message) },
    onNotice: () => undefined,
    settings: { testMs: 50 },
  });
  await notices.start();
  t.notOk(notices.isListening);
  t.ok(isClosed, "its connection is given back");
  t.equal(warnings.length, 1);
  await notices.stop();
});

t.test("a connection that breaks is opened anew, and what was missed is taken to have been told", async (t) => {
  const { pool } = await openTestDatabase(t);
  let opened = 0;
  let breakIt = (): void => undefined;
  let tell = (): void => undefined;
  const told = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const notices = new Notices({
    pool,
    open: async ({ onEnd }) => {
      opened += 1;
      breakIt = onEnd;
      return { close: async () => undefined };
    },
    log: silentLog,
    onNotice: ({ isReady, endedRuns }) => {
      t.ok(isReady);
      t.equal(endedRuns, undefined);
      tell();
    },
    settings: { testMs: 1, retryMs: 1 },
  });
  await notices.start();
  breakIt();
  await told;
  await notices.stop();
  t.equal(opened, 2);
});
