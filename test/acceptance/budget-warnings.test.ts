/**
 * Quotas and budgets over HTTP: a warning once when most is used, a refusal with its reset when all of it is, and other tenants
 * untouched (spec 03, B6).
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import type { JsonObject } from "../../src/core/json.ts";
import { runCli } from "../cli/run-cli.ts";
import { openTestDatabase } from "../storage/test-database.ts";
import { ADMIN_KEY } from "./live-api.ts";
import { allow, done, makeSink, type Rig, startRig } from "./rig.ts";

let rig: Rig;

t.before(async () => {
  rig = await startRig(t, {
    database: await openTestDatabase(t),
    packs: { runtime: allow },
    adapters: [makeSink(({ spec }) => done(null, { tokens: Number(spec.inputs["use"]), usdMicros: 0 })).adapter],
  });
});

const SETTINGS = {
  weight: 1,
  is_paused: false,
  runtime_pack: "runtime",
  required_guardrails: [],
  min_isolation: {},
  weaker_isolation_allowed: [],
  default_requests: {},
  retention_days: 365,
  transparency_scope: "gates",
  labels: {},
  quotas: [],
};

async function call(tenant: string, method: string, path: string, body?: object) {
  const response = await fetch(`${rig.stepgate.gateway?.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${ADMIN_KEY}`,
      accept: "application/json",
      ...(path.startsWith("/v1/tenants") ? {} : { "stepgate-tenant": tenant }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, headers: response.headers, json: (await response.json()) as JsonObject };
}

async function putTenant(tenant: string, settings: object = {}): Promise<void> {
  const { status, json } = await call(tenant, "PUT", `/v1/tenants/${tenant}`, { ...SETTINGS, ...settings });
  if (status > 201) throw new TypeError(JSON.stringify(json));
}

/** A run of steps one after another, each using so many tokens and asking for as many. */
function using(...tokens: readonly number[]): JsonObject {
  const id = (index: number) => `s${index}`;
  return {
    steps: tokens.map((use, index) => ({
      id: id(index),
      type: "sink",
      inputs: { use },
      execution: { cost_hint: { tokens: use } },
    })),
    edges: tokens.slice(1).map((_, index) => [id(index), id(index + 1)]),
  };
}

/** The run's events once it has ended. */
async function perform(tenant: string, submission: JsonObject): Promise<readonly JsonObject[]> {
  const { status, json } = await call(tenant, "POST", "/v1/runs", submission);
  if (status !== 201) throw new TypeError(`${status} ${JSON.stringify(json)}`);
  const run = String(json["run_uid"]);
  for (;;) {
    const { json: page } = await call(tenant, "GET", `/v1/runs/${run}/events?limit=200`);
    if (page["end"] !== undefined) return page["items"] as readonly JsonObject[];
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const warningsIn = (events: readonly JsonObject[]) => events.filter(({ type }) => type === "budget_warning");
const midnight = () => new Date(new Date().setUTCHours(24, 0, 0, 0));

t.test("a run's budget warns once, when what is used passes 80 %", async (t) => {
  await putTenant("budget");
  const events = await perform("budget", { ...using(50, 30, 15), budget: { tokens: 100 } });
  const data = { of: "run", unit: "tokens", limit: 100, used: 80, reserved: 0 };
  t.match(warningsIn(events), [{ data }]);
  t.equal(warningsIn(events).length, 1);
  const next = events[events.findIndex(({ type }) => type === "budget_warning") + 1];
  t.match(next, { type: "step_succeeded", step_id: "s1" }, "with the charge of the step that passed it");
  t.same(warningsIn(await perform("budget", { ...using(50, 29, 20), budget: { tokens: 100 } })).length, 1);
  t.same(warningsIn(await perform("budget", { ...using(50, 29), budget: { tokens: 100 } })), [], "79 % is not");
  t.same(warningsIn(await perform("budget", using(1000))), [], "nothing to warn of without a limit");
});

t.test("a quota warns once a window, by the ratio that the platform set for the tenant", async (t) => {
  const quotas = [{ id: "daily", unit: "tokens", window: "day", limit: 1000 }];
  await putTenant("ratio", { quotas, warn_ratio_ppm: 500_000 });
  t.same(warningsIn(await perform("ratio", using(300))), []);
  const [warning, ...others] = warningsIn(await perform("ratio", using(300, 100)));
  const data = { of: "quota", quota: "daily", unit: "tokens", window: "day", limit: 1000, used: 600 };
  t.match(warning, { data: { ...data, resets_at_ms: midnight().getTime() } });
  t.same(others, []);
  t.same(warningsIn(await perform("ratio", using(100))), []);
  const { json } = await call("ratio", "GET", "/v1/budgets");
  t.match(json["quotas"], [{ id: "daily", used: 800, is_warned: true, resets_at: midnight().toISOString() }]);
});

t.test("B6 the quota on runs warns, then answers 429 with its reset, and other tenants go on", async (t) => {
  await putTenant("full", { quotas: [{ id: "runs", unit: "runs", window: "day", limit: 5 }] });
  await putTenant("free");
  const logs: (readonly JsonObject[])[] = [];
  for (let index = 0; index < 5; index += 1) logs.push(await perform("full", using(1)));
  t.same(
    logs.map((events) => warningsIn(events).length),
    [0, 0, 0, 1, 0],
  );
  t.match(logs[3]?.[1], {
    type: "budget_warning",
    data: { of: "quota", quota: "runs", unit: "runs", used: 4, limit: 5 },
  });
  const refused = await call("full", "POST", "/v1/runs", using(1));
  t.equal(refused.status, 429);
  const resets = { quota: "runs", limit: 5, resets_at_ms: midnight().getTime() };
  t.match(refused.json, { code: "RATE_LIMITED", retry: "later", ...resets });
  t.equal(refused.headers.get("retry-after"), midnight().toUTCString());
  t.equal((await call("free", "POST", "/v1/runs", using(1))).status, 201);
  t.equal((await call("full", "POST", "/v1/steps", { step: { type: "sink", inputs: { use: 1 } } })).status, 429);
});

t.test(
  "B6 a step over the day's tokens is refused with the quota and its reset, and other tenants go on",
  async (t) => {
    await putTenant("daily", { quotas: [{ id: "daily", unit: "tokens", window: "day", limit: 60 }] });
    await perform("daily", using(50));
    const events = await perform("daily", using(20));
    const refusal = events.find(({ type }) => type === "step_refused");
    t.match(refusal?.["data"], {
      error_kind: "quota_exceeded",
      detail: { quota: "daily", used: 50, requested: 20, resets_at_ms: midnight().getTime() },
    });
    const elsewhere = await perform("free", using(50, 50));
    t.equal(elsewhere.at(-1)?.["type"], "run_succeeded");
  },
);

t.test("a quota's limit is changed from the command line, and what is not said of it stays", async (t) => {
  await putTenant("typed", { quotas: [{ id: "starts", unit: "runs", window: "minute", limit: 60 }] });
  const folder = await mkdtemp(join(tmpdir(), "stepgate-cli-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "key"), ADMIN_KEY);
  const put = async (...args: readonly string[]) => {
    const target = ["--tenant", "typed", "--url", rig.stepgate.gateway?.url ?? "", "--key-file", join(folder, "key")];
    const { code, out } = await runCli(["quota", "put", ...args, ...target], { STEPGATE_HOME: folder });
    const { json } = await call("typed", "GET", "/v1/tenants/typed");
    return { code, out, quotas: json["quotas"] };
  };
  const starts = { id: "starts", unit: "runs", window: "minute", limit: 30 };
  t.match(await put("starts", "30"), { code: 0, out: /30 runs a minute/, quotas: [starts] });
  t.match(await put("starts", "20", "--window", "day"), { quotas: [{ ...starts, window: "day", limit: 20 }] });
  t.match(await put("starts", "9", "--unit", "tokens"), { quotas: [{ id: "starts", unit: "tokens", window: "day" }] });
  const fresh = [
    { id: "busy", unit: "concurrent_steps", window: "lifetime", limit: 2 },
    { id: "daily", unit: "tokens", window: "day", limit: 5 },
  ];
  await put("starts", "none");
  await put("daily", "5");
  t.same((await put("busy", "2", "--unit", "concurrent_steps")).quotas, fresh, "the defaults of a new one");
  const { json } = await call("typed", "GET", "/v1/tenants?limit=200");
  t.match(
    (json["items"] as readonly JsonObject[]).find(({ id }) => id === "typed"),
    { quotas: fresh },
    "a platform key sees them in the list, too",
  );
});
