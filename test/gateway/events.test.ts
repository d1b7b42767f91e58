/**
 * A run's event stream over a real socket: order, resuming, the end, a credential that lapses, readers that are slow.
 */
import { once } from "node:events";
import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import t from "tap";
import { STREAM_TIMES, type StreamTimes, streamEvents } from "../../src/gateway/sse.ts";
import { makeLog } from "../../src/telemetry/logger.ts";
import { DIGEST, RUN_ID, RUN_UID } from "./fakes.ts";
import { settingsOf } from "./harness.ts";
import { makeOverHttp } from "./over-http.ts";

const path = `/v1/runs/${RUN_ID}/events`;

interface Message {
  readonly id: string | undefined;
  readonly event: string | undefined;
  readonly data: unknown;
  readonly comment: boolean;
}

/** Messages of a stream, one by one as they come. */
async function* messagesOf(response: IncomingMessage): AsyncGenerator<Message, undefined> {
  let rest = "";
  for await (const chunk of response.setEncoding("utf8")) {
    rest += chunk;
    for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
      yield parseMessage(rest.slice(0, end));
      rest = rest.slice(end + 2);
    }
  }
}

function parseMessage(text: string): Message {
  const field = (name: string) =>
    text
      .split("\n")
      .find((line) => line.startsWith(`${name}: `))
      ?.slice(name.length + 2);
  const data = field("data");
  return {
    id: field("id"),
    event: field("event"),
    data: data === undefined ? undefined : JSON.parse(data),
    comment: text.startsWith(":"),
  };
}

async function take(messages: AsyncGenerator<Message, undefined>, count: number): Promise<readonly Message[]> {
  const taken: Message[] = [];
  while (taken.length < count) {
    const { value } = await messages.next();
    if (value === undefined) break;
    taken.push(value);
  }
  return taken;
}

function times(over: Partial<StreamTimes>): { readonly streamTimes: StreamTimes } {
  return { streamTimes: { ...STREAM_TIMES, ...over } };
}

t.test(
  "events come in order with their seq as id, live ones as they are appended, then the end after the seal",
  async (t) => {
    const http = await makeOverHttp();
    t.teardown(http.close);
    http.append(2);
    const response = await http.open({ path });
    t.match(response.headers, {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      "x-request-id": /^[0-9a-f-]{36}$/,
    });
    const messages = messagesOf(response);
    t.match(await take(messages, 2), [
      { id: "1", event: "run_submitted", data: { seq: 1, type: "run_submitted", step_id: "a", data: { n: 1 } } },
      { id: "2", event: "step_queued" },
    ]);
    http.append(1);
    t.match(await take(messages, 1), [{ id: "3" }]);
    http.seal();
    t.match(await take(messages, 9), [
      { id: "4", event: "run_succeeded" },
      { id: undefined, event: "end", data: { run_uid: RUN_UID, status: "succeeded", seal_record_id: DIGEST } },
    ]);
    t.equal(response.complete, true, "the server ended it");
    t.equal(http.subscribers.size, 0, "nothing listens any more");
  },
);

t.test("a reader that comes back goes on after its last id, which wins over the query", async (t) => {
  const http = await makeOverHttp();
  t.teardown(http.close);
  http.append(450);
  http.seal();
  const all = await take(messagesOf(await http.open({ path })), 1_000);
  t.equal(all.length, 452, "pages are joined without a gap");
  t.same(
    all.slice(0, 451).map(({ id }) => id),
    Array.from({ length: 451 }, (_, index) => String(index + 1)),
  );
  const byHeader = await http.open({ path: `${path}?after=1`, headers: { "last-event-id": "449" } });
  t.match(await take(messagesOf(byHeader), 9), [{ id: "450" }, { id: "451" }, { event: "end" }]);
  const byQuery = await http.open({ path: `${path}?after=450` });
  t.match(await take(messagesOf(byQuery), 9), [{ id: "451" }, { event: "end" }]);
});

t.test("a browser that comes back after the end is told to stay away", async (t) => {
  const http = await makeOverHttp();
  t.teardown(http.close);
  http.append(1);
  http.seal();
  const back = await http.get({ path, headers: { "last-event-id": "2" } });
  t.same([back.status, back.text], [204, ""]);
  const first = await take(messagesOf(await http.open({ path: `${path}?after=2` })), 9);
  t.match(first, [{ event: "end" }], "a first reader at the end is told how it ended");
});

t.test("who asks for JSON alone gets a page", async (t) => {
  const http = await makeOverHttp();
  t.teardown(http.close);
  http.append(3);
  const page = async (query: string) => {
    const { text } = await http.get({ path: `${path}${query}`, headers: { accept: "application/json" } });
    return JSON.parse(text);
  };
  t.match(await page("?limit=2"), { items: [{ seq: 1 }, { seq: 2 }], next_after: 2 });
  t.match(await page("?after=2"), { items: [{ seq: 3 }], next_after: 3 });
  http.seal();
  t.match(await page("?after=3"), { items: [{ seq: 4 }], end: { status: "succeeded" } });
});

t.test("a quiet stream is kept up by comments, and reads the log again without a notification", async (t) => {
  const http = await makeOverHttp(times({ heartbeatMs: 5, pollMs: 5 }));
  t.teardown(http.close);
  const response = await http.open({ path });
  const messages = messagesOf(response);
  t.match(await take(messages, 2), [{ comment: true }, { comment: true }]);
  http.log.push({ seq: 1, type: "run_submitted", at: "2026-01-01T00:00:00Z", data: {} });
  for await (const message of messages) {
    if (message.comment) continue;
    t.match(message, { id: "1" });
    break;
  }
});

t.test("a key that was revoked ends its stream, and so does one that lost its role or its tenant", async (t) => {
  const http = await makeOverHttp(times({ recheckMs: 5 }));
  t.teardown(http.close);
  const holder = http.keys.get("sg_acme_reader");
  if (holder === undefined) throw new Error("the fakes have this key");
  const lost = [
    { why: "revoked", now: undefined },
    { why: "without its role", now: { ...holder, roles: ["approver" as const] } },
    {
      why: "another tenant's",
      now: { ...holder, tenant: { tenantUid: "x" as never, tenantId: "globex", authorityVersion: 1 } },
    },
    { why: "another key", now: { ...holder, keyId: "other" } },
  ];
  for (const { why, now } of lost) {
    http.keys.set("sg_acme_reader", holder);
    const response = await http.open({
      path,
      headers: { authorization: "Bearer sg_acme_reader", "stepgate-tenant": [] },
    });
    t.equal(response.statusCode, 200, why);
    if (now === undefined) http.keys.delete("sg_acme_reader");
    else http.keys.set("sg_acme_reader", now);
    const messages = await take(messagesOf(response), 9);
    t.match(messages, [{ event: "error", data: { code: "UNAUTHENTICATED" } }], why);
    t.equal(http.subscribers.size, 0, why);
  }
});

t.test("a reader that does not read is cut off instead of buffered for", async (t) => {
  const http = await makeOverHttp(times({ slowReaderMs: 50 }));
  t.teardown(http.close);
  const big = "x".repeat(100_000);
  for (let seq = 1; seq <= 400; seq += 1) {
    http.log.push({ seq, type: "tool_event", at: "2026-01-01T00:00:00Z", data: { big } });
  }
  const socket = await http.dial();
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer sg_acme_reader\r\nAccept: text/event-stream\r\n\r\n`,
  );
  await once(socket, "readable");
  const ended = new Promise<void>((resolve) => {
    const look = () => (http.subscribers.size === 0 ? resolve() : setImmediate(look));
    look();
  });
  await ended;
  t.pass("the server gave it up without a byte having been read");
  t.match(http.lines.join(""), '"end":"slow"');
  socket.destroy();
});

t.test("a reader that leaves frees its place", async (t) => {
  const http = await makeOverHttp({ settings: settingsOf({ STEPGATE_MAX_STREAMS: "1" }) });
  t.teardown(http.close);
  http.append(1);
  const first = await http.open({ path });
  await take(messagesOf(first), 1);
  const refused = await http.get({ path });
  t.equal(refused.status, 503);
  t.match(JSON.parse(refused.text), { code: "TOO_MANY_STREAMS", retry: "later" });
  first.destroy();
  while (http.subscribers.size > 0) await new Promise((resolve) => setImmediate(resolve));
  const second = await http.open({ path });
  t.equal(second.statusCode, 200);
  second.destroy();
});

t.test("a stopping server ends its streams, so that readers go elsewhere", async (t) => {
  const http = await makeOverHttp();
  t.teardown(http.close);
  http.append(1);
  const response = await http.open({ path });
  const messages = messagesOf(response);
  await take(messages, 1);
  http.server.drain();
  t.equal((await messages.next()).done, true);
  t.match(http.lines.join(""), '"end":"stopped"');
});

t.test("an unknown run is 404 before a stream begins", async (t) => {
  const http = await makeOverHttp();
  t.teardown(http.close);
  const answer = await http.get({ path: "/v1/runs/nope/events" });
  t.equal(answer.status, 404);
  t.match(JSON.parse(answer.text), { code: "NOT_FOUND" });
});

t.test("a store that breaks under a stream is told in it, by code alone", async (t) => {
  const http = await makeOverHttp(times({ pollMs: 5 }));
  t.teardown(http.close);
  const runs = http.ports.runs as { events: typeof http.ports.runs.events };
  const events = runs.events;
  const response = await http.open({ path });
  runs.events = () => Promise.reject(new Error("planted"));
  const messages = await take(messagesOf(response), 9);
  t.match(messages, [{ event: "error", data: { code: "INTERNAL" } }]);
  t.notMatch(JSON.stringify(messages), "planted");
  runs.events = events;
});

t.test("a reader that left before its stream began costs nothing", async (t) => {
  const response = new ServerResponse(new IncomingMessage(new Socket()));
  response.destroy();
  await once(response, "close");
  let released = 0;
  const end = await streamEvents(response, {
    source: {
      read: async () => ({ items: [], next_after: 0 }),
      subscribe: async () => () => undefined,
      recheck: async () => undefined,
    },
    afterSeq: 0,
    times: STREAM_TIMES,
    slot: {
      onStop: () => undefined,
      release: () => {
        released += 1;
      },
    },
    log: makeLog({ level: "silent" }),
  });
  t.equal(end, "left");
  t.equal(released, 1);
});
