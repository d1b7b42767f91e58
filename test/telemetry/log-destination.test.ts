/** Where log lines go: whole, in order, and when they cannot be written, without harm and with a count. */
import t from "tap";
import { standardOutput } from "../../src/telemetry/log-destination.ts";

/** A device that takes `room` bytes in all and `atOnce` with each write, then says what a system says. */
function device(given: { room: number; readonly atOnce?: number; code?: string }) {
  let text = "";
  const put = (bytes: Uint8Array): number => {
    const taken = Math.min(bytes.length, given.atOnce ?? bytes.length, given.room);
    if (taken === 0) throw Object.assign(new Error("write"), { code: given.code ?? "ENOSPC" });
    given.room -= taken;
    text += Buffer.from(bytes.subarray(0, taken)).toString();
    return taken;
  };
  return { put, text: () => text };
}

t.test("a line that is taken in pieces is written whole", async (t) => {
  const { put, text } = device({ room: 100, atOnce: 3 });
  const { write } = standardOutput(put);
  write("first line\n");
  write("second\n");
  t.equal(text(), "first line\nsecond\n");
});

t.test("lines for which there is no room are lost and counted, and a torn one does not spoil the next", async (t) => {
  const given = { room: 8 };
  const { put, text } = device(given);
  const { write } = standardOutput(put);
  write("whole\n");
  write("torn line\n");
  write("lost line\n");
  given.room = 1000;
  write("next\n");
  write("last\n");
  const [whole, torn, gap, next, last] = text().split("\n");
  t.same([whole, torn, next, last], ["whole", "to", "next", "last"]);
  t.match(JSON.parse(gap ?? ""), { level: "warn", lost: 2, msg: "lines of the log were lost", pid: process.pid });
});

t.test("a reader that is busy for a moment is waited for, one that is gone is not", async (t) => {
  let refusals = 3;
  const written: string[] = [];
  const { write } = standardOutput((bytes) => {
    refusals -= 1;
    if (refusals >= 0) throw Object.assign(new Error("write"), { code: "EAGAIN" });
    written.push(Buffer.from(bytes).toString());
    return bytes.length;
  });
  write("patience\n");
  t.same(written, ["patience\n"]);
  let tries = 0;
  const gone = standardOutput(() => {
    tries += 1;
    throw Object.assign(new Error("write"), { code: "EPIPE" });
  });
  gone.write("nobody\n");
  t.equal(tries, 1);
});

t.test("a reader that stands still is waited for once, not with every line", async (t) => {
  let tries = 0;
  let isStill = true;
  const written: string[] = [];
  const { write } = standardOutput((bytes) => {
    tries += 1;
    if (isStill) throw Object.assign(new Error("write"), { code: "EAGAIN" });
    written.push(Buffer.from(bytes).toString());
    return bytes.length;
  });
  write("first\n");
  const patience = tries;
  t.ok(patience > 10, "the first line waits");
  for (let line = 0; line < 100; line += 1) write("later\n");
  t.equal(tries, patience + 100, "each later one is tried once");
  isStill = false;
  write("last\n");
  t.match(JSON.parse(written[0] ?? ""), { lost: 101 });
  t.equal(written[1], "last\n");
});

t.test("a reader that takes a little now and then is waited for no longer than one that takes nothing", async (t) => {
  let tries = 0;
  const { write } = standardOutput((bytes) => {
    tries += 1;
    if (tries % 2 === 0) return Math.min(1, bytes.length);
    throw Object.assign(new Error("write"), { code: "EAGAIN" });
  });
  write(`${"x".repeat(1000)}\n`);
  t.ok(tries < 300, `${tries} tries`);
});
