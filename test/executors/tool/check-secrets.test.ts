/** What a tool may ask to be handed: by whom, under which name, and with which call. */
import t from "tap";
import type { JsonObject } from "../../../src/core/json.ts";
import type { ToolSecret } from "../../../src/core/secret.ts";
import { makeReadHttpRequest } from "../../../src/executors/http/http-request.ts";
import { makeHttpSecrets } from "../../../src/executors/http/secret-headers.ts";
import { PROCESS_SECRETS } from "../../../src/executors/process/secret-env.ts";
import { checkSecrets, secretRefusals } from "../../../src/executors/tool/check-secrets.ts";
import { stepSpec } from "../call.ts";

const EXECUTORS = {
  process: { type: "process", secrets: PROCESS_SECRETS },
  http: { type: "http", secrets: makeHttpSecrets(makeReadHttpRequest()) },
  noop: { type: "noop", secrets: undefined },
} as const;
const secret = (name: string, as: ToolSecret["as"]): ToolSecret => ({ name, ref: "crm.key", as });
const check = (type: keyof typeof EXECUTORS, secrets: readonly ToolSecret[], config: JsonObject = {}) =>
  checkSecrets({ secrets, config }, EXECUTORS[type]);

t.test("a secret goes where its executor takes one, under a name that is free", async (t) => {
  check("process", [secret("CRM_KEY", "env"), secret("_TOKEN2", "env")], { env: { REGION: "eu" } });
  check("http", [secret("Authorization", "header"), secret("X-Api-Key", "header")], {
    headers: { accept: "text/plain" },
  });
  check("http", [secret("Cookie", "header")], { headers: { $argument: "headers" } });
  check("noop", []);
  t.throws(() => check("noop", [secret("A", "env")]), { code: "TOOL_SECRET_PLACE" }, "the control");
});

t.test("any other place is refused, and the answer says which is right", async (t) => {
  const rows = [
    { type: "process", as: "header", takes: "env" },
    { type: "http", as: "env", takes: "header" },
    { type: "noop", as: "env", takes: undefined },
    { type: "noop", as: "header", takes: undefined },
  ] as const;
  for (const { type, as, takes } of rows)
    t.throws(
      () => check(type, [secret("CRM_KEY", as)]),
      { code: "TOOL_SECRET_PLACE", detail: { field: "/secrets/0/as", executor: type, as, ...(takes && { takes }) } },
      `${type} as ${as}`,
    );
});

t.test("a name that steers a program, frames a message, or is taken is refused with its field", async (t) => {
  const refused: Readonly<Record<"process" | "http", readonly string[]>> = {
    process: [
      ...["PATH", "HOME", "LANG", "LC_ALL", "IFS", "ENV", "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "NODE_OPTIONS"],
      ...["NODE_PATH", "BASH_ENV", "BASH_FUNC_x", "PYTHONPATH", "PYTHONSTARTUP", "PERL5LIB", "PERL5OPT", "PERLLIB"],
      ...["RUBYOPT", "GCONV_PATH", "GLIBC_TUNABLES", "MALLOC_CHECK_", "JAVA_TOOL_OPTIONS", "GIT_SSH_COMMAND", "TMPDIR"],
      ...["lower", "WITH-DASH", "1ST", "A=B", "A\u0000B", "", "A".repeat(65)],
    ],
    http: [
      ...["Host", "Content-Length", "content-type", "Content-Encoding", "Transfer-Encoding", "TE", "Connection"],
      ...["Keep-Alive", "Upgrade", "Expect", "Trailer", "Via", "Forwarded", "X-Forwarded-For", "Proxy-Authorization"],
      // go along to other origins
      ...["User-Agent", "Accept", "Accept-Language", "Accept-Encoding"],
      ...["two words", "a:b", "a\r\nb", "é", "", "a".repeat(65)],
    ],
  };
  for (const [type, names] of Object.entries(refused) as [keyof typeof refused, readonly string[]][])
    for (const name of names)
      t.throws(
        () => check(type, [secret(name, EXECUTORS[type].secrets.as)]),
        { code: "FIELD_INVALID", detail: { field: "/secrets/0/name" } },
        `${type}: ${JSON.stringify(name)}`,
      );
  const twice = { code: "FIELD_INVALID", detail: { field: "/secrets/1/name" } };
  t.throws(() => check("http", [secret("X-Key", "header"), secret("x-KEY", "header")]), twice);
  t.throws(() => check("process", [secret("A", "env"), secret("A", "env")]), twice);
  const taken = { code: "FIELD_INVALID", detail: { field: "/secrets/0/name", reason: "the config sets it too" } };
  t.throws(() => check("http", [secret("X-Key", "header")], { headers: { "x-key": { $argument: "k" } } }), taken);
  t.throws(() => check("process", [secret("A", "env")], { env: { A: "x" } }), taken);
});

t.test("a call that fills a secret's place itself, or would carry it in the clear, is refused", async (t) => {
  const settings: JsonObject = {
    hosts: ["api.example", "10.0.0.7:8080"],
    methods: ["GET"],
    allow_private: ["10.0.0.7:8080"],
  };
  const asks = { secrets: [secret("X-Key", "header")], config: {} };
  const refusals = (url: string, headers: JsonObject = {}) =>
    secretRefusals(EXECUTORS.http, asks, stepSpec("http", { method: "GET", url, headers }), settings);
  t.same(refusals("https://api.example/"), []);
  t.same(refusals("http://10.0.0.7:8080/"), [], "a host of allow_private: the platform says that the way is its own");
  t.same(refusals("http://api.example/"), ["secret_needs_https"]);
  t.same(refusals("https://api.example/", { "x-kEY": "mine" }), ["secret_name_taken"]);
  t.same(refusals("https://other.example/"), ["host_not_allowed"], "what is refused anyway");
  const inEnv = { secrets: [secret("CRM_KEY", "env")], config: {} };
  const command = ["cat"];
  const started = (env: JsonObject) =>
    secretRefusals(EXECUTORS.process, inEnv, stepSpec("process", { command, env }), {});
  t.same(started({ REGION: "eu" }), []);
  t.same(started({ CRM_KEY: "mine" }), ["secret_name_taken"]);
  t.same(secretRefusals(EXECUTORS.noop, inEnv, stepSpec("noop", {}), {}), ["secret_not_taken"]);
  t.same(secretRefusals(EXECUTORS.noop, { config: {} }, stepSpec("noop", {}), {}), [], "the control: none asked for");
});
