/**
 * The log: one JSON line each, secrets and payload hidden by name at any depth, errors without what they may quote.
 */
import t from "tap";
import { StepgateError } from "../../src/core/errors.ts";
import { makeLog } from "../../src/telemetry/logger.ts";

function capture(level: "info" | "debug" = "info") {
  const lines: string[] = [];
  const log = makeLog({ level, destination: { write: (line: string) => lines.push(line) } });
  return { log, lines, last: () => JSON.parse(lines.at(-1) ?? "{}") as Record<string, unknown> };
}

t.test("a line holds level, time, fields and text", async (t) => {
  const { log, last } = capture();
  log.with({ worker: "w1" }).info({ run: "r1", count: 3 }, "claimed");
  t.match(last(), { level: "info", worker: "w1", run: "r1", count: 3, msg: "claimed", time: /^20\d\d-.*Z$/ });
});

t.test("lines below the level are not written", async (t) => {
  const { log, lines } = capture();
  log.debug({}, "detail");
  t.equal(lines.length, 0);
});

t.test("secrets and payload are hidden by their name, at any depth, however it is written", async (t) => {
  const PLANTED = "4111-1111-1111-1111";
  const names = [
    "token",
    "key",
    "apiKey",
    "api_key",
    "Authorization",
    "set-cookie",
    "secret",
    "secrets",
    "password",
    "databaseUrl",
    "inputs",
    "output",
    "payload",
    "body",
    "headers",
    "labels",
    "checkpoint",
    "stderr",
    "message",
    "details",
    "sql",
  ];
  for (const name of names) {
    const { log, lines } = capture();
    log.info({ [name]: PLANTED, step: { list: [{ [name]: { value: PLANTED } }] } }, "x");
    log.with({ [name]: PLANTED }).info({}, "x");
    t.notMatch(lines.join(""), PLANTED, name);
    t.match(lines.join(""), "[hidden]", name);
  }
  const { log, lines } = capture();
  log.info({ step_id: PLANTED }, "the control");
  t.match(lines.join(""), PLANTED, "the control: another name is shown");
});

t.test("bytes, long texts and deep nesting are cut", async (t) => {
  const { log, last } = capture();
  log.info({ bytes: Buffer.from("abc"), text: "x".repeat(5_000), a: { b: { c: { d: { e: { f: { g: 1 } } } } } } }, "x");
  const line = last();
  t.equal(line["bytes"], "[3 bytes]");
  t.equal(String(line["text"]).length, 2_049);
  t.match(JSON.stringify(line["a"]), "[deeper]");
});

t.test("an error of ours is shown with code and detail; one of others without what it may quote", async (t) => {
  const { log, last, lines } = capture();
  const PLANTED = "planted-payload";
  let parserError: unknown;
  try {
    JSON.parse(`${PLANTED}{`);
  } catch (caught) {
    parserError = caught;
  }
  t.match(String(parserError), "planted", "the control: the engine quotes what it could not parse");
  log.error({ err: new StepgateError("STORE_REFUSED", { statement: "claim" }, { cause: parserError }) }, "failed");
  t.match(last(), {
    err: {
      name: "StepgateError",
      code: "STORE_REFUSED",
      message: "the database refused the statement",
      detail: { statement: "claim" },
      stack: [/^at /],
      cause: { name: "SyntaxError" },
    },
  });
  t.notMatch(lines.join(""), "planted");
  log.error(Object.assign(new Error(`Key (x)=(${PLANTED})`), { code: "23505", detail: PLANTED }), "failed");
  t.match(last(), { err: { code: "23505" } });
  log.error({ err: PLANTED }, "something else was thrown");
  log.error({ cause: new Error(PLANTED) }, "under another name");
  t.notMatch(lines.join(""), PLANTED);
});

t.test("messages of the system and of the engine stay, since they help and quote nothing", async (t) => {
  const { log, last } = capture();
  log.error({ err: Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:5432"), { syscall: "connect" }) }, "x");
  t.match(last(), { err: { message: "connect ECONNREFUSED 127.0.0.1:5432" } });
  log.error({ err: new TypeError("Cannot read properties of undefined (reading 'id')") }, "x");
  t.match(last(), { err: { message: /reading 'id'/ } });
});
