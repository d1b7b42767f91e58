/**
 * Media types of bodies, as bytes on a socket: one type in the spellings that RFC 9110 §8.3.1 allows, and no other.
 *
 * Each row is one spelling with its exact answer. Not here: what the body says (strict-parsing.test.ts), encodings and
 * lengths (bodies.test.ts).
 */
import { text } from "node:stream/consumers";
import t from "tap";
import { makeOverHttp, type OverHttp } from "./over-http.ts";

const RUN = '{"steps":[{"id":"a","type":"noop"}]}';

let http: OverHttp;
t.before(async () => {
  http = await makeOverHttp();
});
t.teardown(() => http.close());

/** Status and code of the answer to a run whose head has these lines. */
async function answerTo(lines: readonly string[]): Promise<{ readonly status: number; readonly code: unknown }> {
  const socket = await http.dial();
  socket.on("error", () => undefined);
  const head = [
    "POST /v1/runs HTTP/1.1",
    "Host: localhost",
    "Authorization: Bearer sg_acme_submitter",
    ...lines,
    `Content-Length: ${RUN.length}`,
    "Connection: close",
  ];
  socket.write(Buffer.from(`${head.join("\r\n")}\r\n\r\n${RUN}`, "latin1"));
  const answer = await text(socket);
  const problem = /\{"type":"urn:stepgate:error:[^\n]*\}/.exec(answer)?.[0];
  return {
    status: Number(/^HTTP\/1\.1 (\d\d\d) /.exec(answer)?.[1]),
    code: problem === undefined ? undefined : (JSON.parse(problem) as { code: unknown }).code,
  };
}

t.test("application/json is read in every spelling that means it", async (t) => {
  const accepted = [
    "application/json",
    "Application/JSON",
    "APPLICATION/JSON; CHARSET=UTF-8",
    "application/json;charset=utf-8",
    "application/json; charset=UTF-8",
    'application/json; charset="utf-8"',
    'application/json; charset="UTF-8"',
    "application/json ; charset=utf-8",
    "application/json\t;\tcharset=utf-8",
    "  application/json  ",
    "\tapplication/json; charset=utf-8\t",
  ];
  for (const type of accepted) {
    t.same(await answerTo([`Content-Type: ${type}`]), { status: 201, code: undefined }, JSON.stringify(type));
  }
});

t.test("every other media type is refused as one that is not supported", async (t) => {
  const calls = http.calls.length;
  const refused = [
    // other types
    "text/plain",
    "text/json",
    "text/html; charset=utf-8",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "multipart/mixed; boundary=application/json",
    "application/octet-stream",
    "application/yaml",
    "application/jsonp",
    "application/json5",
    "application/x-json",
    "application/problem+json",
    "application/merge-patch+json",
    "application/vnd.stepgate+json",
    "application/json-seq",
    "*/*",
    "application/*",
    // other charsets, and spellings of utf-8 that are no name of it
    "application/json; charset=latin1",
    "application/json; charset=utf-16",
    "application/json; charset=utf8",
    "application/json; charset=us-ascii",
    "application/json; charset=",
    'application/json; charset=""',
    'application/json; charset="utf-8',
    "application/json; charset='utf-8'",
    'application/json; charset="utf\\-8"',
    "application/json; charset = utf-8",
    "application/json; charset=utf-8; charset=utf-16",
    "application/json; charset=utf-8; charset=utf-8",
    // other parameters, and what is no parameter
    "application/json; profile=x",
    "application/json; charset=utf-8; profile=x",
    "application/json; q=1",
    "application/json;",
    "application/json; charset=utf-8;",
    "application/json;;charset=utf-8",
    "application/json charset=utf-8",
    "application/json; charset",
    // lists, quotes, space inside, bytes beyond ASCII, nothing
    "application/json, text/plain",
    "application/json, application/json",
    "application/json,",
    '"application/json"',
    "application / json",
    "application/json/",
    "application",
    "json",
    "application/json\u00a0",
    "application/js\u00f6n",
    "",
    " ",
  ];
  for (const type of refused) {
    const wanted = { status: 415, code: "MEDIA_TYPE_UNSUPPORTED" };
    t.same(await answerTo([`Content-Type: ${type}`]), wanted, JSON.stringify(type));
  }
  t.same(await answerTo([]), { status: 415, code: "MEDIA_TYPE_UNSUPPORTED" }, "no such header");
  t.equal(http.calls.length, calls, "no use case was reached");
});

t.test("a content type that two readers could read in two ways is no request", async (t) => {
  const calls = http.calls.length;
  const refused: readonly (readonly string[])[] = [
    ["Content-Type: application/json", "Content-Type: application/json"],
    ["Content-Type: application/json", "content-type: text/plain"],
    ["Content-Type: text/plain", "Content-Type: application/json"],
    ["Content-Type: application/json", "Content-Type:"],
    ["Content-Type : application/json"],
    ["Content-Type: application/json\0"],
    ["Content-Type: application/json\u0001; charset=utf-8"],
    ["Content-Type: application/json\u007f"],
    ["Content-Type: application/json\r; charset=utf-8"],
    ["Content-Type: text/plain\nContent-Type: application/json"],
    ["Content-Type: application/json;", " charset=utf-8"],
    ["Content-Type: text/plain,", "\tapplication/json"],
  ];
  for (const lines of refused) {
    t.same(await answerTo(lines), { status: 400, code: "REQUEST_MALFORMED" }, JSON.stringify(lines));
  }
  t.equal(http.calls.length, calls, "no use case was reached");
});
