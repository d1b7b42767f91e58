import t from "tap";
import { readMessages } from "../../src/cli/event-stream.ts";

async function read(...chunks: readonly string[]) {
  async function* body() {
    for (const chunk of chunks) yield Buffer.from(chunk);
  }
  return Array.fromAsync(readMessages(body(), new AbortController().signal));
}

t.test("messages are read whatever the chunks, line ends and comments", async (t) => {
  const wanted = [
    { event: "step_started", data: '{"seq":1}' },
    { event: "message", data: "a\nb" },
  ];
  const text = 'id: 1\nevent: step_started\ndata: {"seq":1}\n\n: still here\n\ndata: a\ndata:b\n\n';
  t.strictSame(await read(text), wanted);
  t.strictSame(await read(text.replaceAll("\n", "\r\n")), wanted);
  t.strictSame(await read(...text), wanted, "one character each");
});

t.test("a message that breaks off is dropped, and a break is the end of the stream", async (t) => {
  t.strictSame(await read("data: whole\n\ndata: half"), [{ event: "message", data: "whole" }]);
  async function* broken() {
    yield Buffer.from("data: whole\n\n");
    throw new TypeError("terminated");
  }
  t.strictSame(await Array.fromAsync(readMessages(broken(), new AbortController().signal)), [
    { event: "message", data: "whole" },
  ]);
  await t.rejects(Array.fromAsync(readMessages(broken(), AbortSignal.abort())), /terminated/);
});
