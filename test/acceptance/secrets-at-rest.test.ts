/**
 * The scan of spec 00, payloads at rest: secrets planted wherever a payload may stand, then searched for in a dump of the
 * whole database, in the log stream and in the exported evidence, raw and with every blob opened.
 *
 * Not here: secrets that tools are handed (handed-secrets.test.ts).
 */
import { randomBytes } from "node:crypto";
import t, { type Test } from "tap";
import type { PackDecision } from "../../src/core/decision.ts";
import type { RunUid } from "../../src/core/ids.ts";
import type { JsonObject, JsonValue } from "../../src/core/json.ts";
import type { ExecutorResult } from "../../src/executors/contract.ts";
import { makeExportEvidence } from "../../src/runs/export-evidence.ts";
import { PERL } from "../executors/process/sandbox.ts";
import { forEachDatabase, type TestDatabase } from "../storage/test-database.ts";
import { deskOf, openApproval } from "./approval-desk.ts";
import { type Decide, makeSink, startRig } from "./rig.ts";
import { collector, dump, files, openedAnswers, openedBlobs, plant, spellings, TAIL, traces } from "./secret-scan.ts";
import { QUICK, sinkApi, startReceiver, tenantFor, untilDelivered } from "./sink-desk.ts";

const tenant = { runtime_pack: "runtime", required_guardrails: [] };
const step = (id: string, more: JsonObject = {}) => ({ id, type: "sink", inputs: {}, ...more });

/** A program that writes the secret in two parts, one after the other; no part of its text holds the mark of a secret. */
function inTwoParts(secret: string): string {
  const core = secret.slice(0, -TAIL.length);
  const [first, second] = [core.slice(3, 20), core.slice(20)];
  return `$| = 1; print "${core.slice(0, 3)}", "${first}"; select undef, undef, undef, 0.3; print "${second}"`;
}

/** Pointers of members that hold a marked text or have a marked key. */
function marked(value: JsonValue, mark: string, path: string): readonly string[] {
  if (typeof value === "string") return value.includes(mark) ? [path] : [];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => {
    const here = `${path}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    return key.includes(mark) && !Array.isArray(value) ? [here] : marked(item, mark, here);
  });
}

t.test("the scan finds a secret in every spelling it knows", async (t) => {
  const secret = plant("any");
  for (const [name, spelling] of spellings(secret)) {
    t.ok(traces(secret, new Map([["here", `x${spelling}x`]])).includes(`${name} in here`), name);
  }
  const inside = new Map([["here", Buffer.from(`xy${secret}z`).toString("base64")]]);
  t.ok(traces(secret, inside).includes("base64 at 2 in here"), "within a longer text");
  t.same(traces(secret, new Map([["here", plant("any")]])), [], "the control: another one is not it");
});

t.test(
  "no planted secret is in the database, the log or the evidence; opened, only what no pack redacted",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const redacted = Object.fromEntries(
        ["value", "key", "keyed", "output", "stderr", "message", "event", "stream"].map((name) => [
          name,
          plant(`redact-${name}`),
        ]),
      );
      const sealed = Object.fromEntries(
        ["control", "label", "out", "checkpoint", "thrown", "detail", "toolevent", "refused", "poured"].map((name) => [
          name,
          plant(`sealed-${name}`),
        ]),
      );
      const denied = plant("denied");
      const of = (secrets: Readonly<Record<string, string>>, name: string): string => secrets[name] ?? "";
      const runtime: Decide = ({ boundary, inputs, output, step: shown }) => {
        if (boundary === "egress_tool" && JSON.stringify(output).includes("denied-"))
          return { effect: "deny", reasons: ["no"] };
        if (boundary === "scheduler" && (shown as JsonObject)["id"] === "refused")
          return { effect: "deny", reasons: ["no"] };
        const paths =
          boundary === "egress_tool"
            ? marked(output ?? null, "redact-", "/output")
            : marked((inputs ?? {}) as JsonObject, "redact-", "/inputs");
        const patches = paths.map((path) =>
          path.includes("redact-key")
            ? { op: "remove" as const, path }
            : { op: "replace" as const, path, value: "[gone]" },
        );
        return patches.length === 0 ? { effect: "allow" } : { effect: "redact", reasons: ["secret"], patches };
      };
      const sink = makeSink(({ stepId }): ExecutorResult => {
        const toolEvents = [{ kind: "printed", payload: [of(redacted, "event"), of(sealed, "toolevent")] }];
        switch (stepId) {
          case "good":
            return {
              ok: true,
              output: { redact: of(redacted, "output"), out: of(sealed, "out") },
              checkpoint: of(sealed, "checkpoint"),
              usage: { tokens: 1 },
              toolEvents,
            };
          case "bad":
            return {
              ok: false,
              kind: "execution_error",
              retryable: true,
              code: "boom",
              message: of(redacted, "message"),
              details: { stderr: of(redacted, "stderr"), more: of(sealed, "detail") },
              usage: { tokens: 1 },
              toolEvents,
            };
          case "throws":
            throw new TypeError(of(sealed, "thrown"));
          default:
            return { ok: true, output: denied, usage: { tokens: 1 }, toolEvents: [] };
        }
      });
      const lines: string[] = [];
      const spans = await collector(t);
      const rig = await startRig(t, {
        database,
        packs: { runtime },
        adapters: [sink.adapter],
        tenant,
        env: { STEPGATE_OTLP_ENDPOINT: spans.url },
        onLogLine: (line) => {
          lines.push(line);
        },
      });
      await rig.stepgate.rooms.tenants.putExecutorSettings({
        tenantUid: rig.tenantUid,
        type: "process",
        settings: PERL,
        actor: "test",
      });
      const inputs = {
        value: of(redacted, "value"),
        [of(redacted, "key")]: 1,
        deep: { [of(redacted, "keyed")]: { more: 1 } },
        control: of(sealed, "control"),
      };
      const runUid = await rig.submit({
        steps: [
          step("good", { inputs }),
          step("bad", { inputs, execution: { max_attempts: 2, retry_backoff_ms: 1 } }),
          step("throws"),
          step("leaks"),
          step("streams", { type: "process", inputs: { command: ["perl", "-e", inTwoParts(of(redacted, "stream"))] } }),
          step("pours", { type: "process", inputs: { command: ["perl", "-e", inTwoParts(of(sealed, "poured"))] } }),
          step("refused", { inputs: { secret: of(sealed, "refused") } }),
          step("malformed", { type: "noop", inputs: { fail: { [of(sealed, "refused")]: 1 } } }),
        ],
        labels: { team: of(sealed, "label") },
      });
      t.equal((await rig.ended(runUid)).status, "failed");
      t.equal(sink.calls.length, 5, "the control: everything planted was handed over");
      t.match((await rig.steps(runUid)).get("malformed"), { errorKind: "invalid_request" });
      t.match((await rig.steps(runUid)).get("streams"), { state: "succeeded" });
      const { store, records } = rig.stepgate.rooms;
      const raw = await dump(rig);
      raw.set("the log stream", lines.join(""));
      raw.set("the evidence", (await makeExportEvidence({ store, records })(rig.tenantUid, { runUid })) ?? "");
      t.ok(
        (raw.get("table run_events") ?? "").includes(runUid) && lines.length > 0,
        "the control: the dump holds the run, the log lines",
      );
      const opened = await openedBlobs(rig, runUid);
      // what is left of spans is sent with the stop
      await rig.stepgate.stop();
      raw.set("the spans", spans.text());
      t.ok(spans.text().includes(runUid), "the control: spans tell of the run");
      for (const [name, secret] of Object.entries({ ...redacted, ...sealed, denied })) {
        t.same(traces(secret, raw), [], `raw: ${name}`);
      }
      for (const [name, secret] of Object.entries({ ...redacted, denied })) {
        t.same(traces(secret, opened), [], `opened: ${name} was redacted or denied, and is nowhere`);
      }
      for (const [name, secret] of Object.entries(sealed)) {
        t.ok(traces(secret, opened).length > 0, `opened: the control ${name} is found`);
      }
    });
  },
);

const ADMIN_KEY = "acceptance-test-admin-key-0123456789";

/** A run over HTTP whose step is held, seen and decided; headers, baggage and the caller's key are planted too. */
async function heldOverHttp(t: Test, database: TestDatabase, { redacts }: { readonly redacts: boolean }) {
  const spans = await collector(t);
  const [redacted, control, reason, said] = ["redact-shown", "sealed-shown", "sealed-reason", "sealed-said"].map(
    plant,
  ) as [string, string, string, string];
  const leaving = `sealed.leaves-${randomBytes(12).toString("hex")}`;
  const never = { header: plant("never-header"), baggage: plant("never-baggage"), key: `${ADMIN_KEY}${TAIL}` };
  const runtime: Decide = (input) => {
    const {
      inputs,
      approvals,
      step: shown,
    } = input as {
      readonly inputs?: JsonObject;
      readonly approvals: readonly JsonValue[];
      readonly step: JsonObject;
    };
    const paths = redacts ? marked(inputs ?? {}, "redact-", "/inputs") : [];
    const patches: PackDecision["patches"][number][] = paths.map((path) => ({ op: "replace", path, value: "[gone]" }));
    // an answer shows what was patched: without the redaction something else is
    if (!redacts && shown["id"] === "asked" && inputs?.["seen"] === undefined)
      patches.push({ op: "add", path: "/inputs/seen", value: true });
    const effect = patches.length === 0 ? ("allow" as const) : ("redact" as const);
    if (approvals.length > 0 || shown["id"] !== "held") return { effect, reasons: [], patches };
    const obligations = [
      { id: "o", type: "require_approval" as const, properties: { role: "approver", ttl_seconds: 600 } },
    ];
    return { effect: "hold", reasons: ["needs_approval"], obligations, patches };
  };
  const sink = makeSink(() => ({
    ok: false,
    kind: "execution_error",
    retryable: false,
    // a code is an id: it may leave, and shows that a webhook's text is searched
    code: leaving,
    message: said,
    toolEvents: [],
  }));
  const receiver = await startReceiver(t);
  const lines: string[] = [];
  const rig = await startRig(t, {
    database,
    packs: { runtime },
    adapters: [sink.adapter],
    tenant: tenantFor(receiver),
    env: { ...QUICK, STEPGATE_OTLP_ENDPOINT: spans.url },
    onLogLine: (line) => {
      lines.push(line);
    },
  });
  await sinkApi(rig).put("hooks", receiver);
  const call = async (
    path: string,
    body?: JsonObject,
    more: Readonly<Record<string, string>> = {},
    key = ADMIN_KEY,
  ) => {
    const answer = await fetch(`${rig.stepgate.gateway?.url}${path}`, {
      ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...more },
    });
    const replayed = answer.headers.get("idempotency-replayed");
    return { status: answer.status, text: await answer.text(), replayed };
  };
  const bob = await deskOf(rig, "bob", "approver");
  const ascii = (text: string) => text.slice(0, -TAIL.length);
  const submitted = await call(
    "/v1/runs",
    { steps: [step("held", { inputs: { value: redacted, control } }), step("broken")] },
    { "x-planted": ascii(never.header), baggage: `secret=${ascii(never.baggage)}` },
  );
  t.equal(submitted.status, 201, submitted.text);
  const runUid = String(JSON.parse(submitted.text).run_uid) as RunUid;
  const approvalId = await openApproval(rig, runUid, "held");
  const shown = await bob("GET", `/v1/approvals/${approvalId}`);
  const decided = await bob("POST", `/v1/approvals/${approvalId}`, { decision: "reject", reason });
  t.same([shown.status, decided.status], [200, 200]);
  const asked = { boundary: "scheduler", step: step("asked", { inputs: { value: redacted, control } }) };
  for (const replayed of [null, "true"]) {
    const answer = await call("/v1/decisions", asked, { "idempotency-key": "asked-once" });
    t.match(answer, { status: 200, replayed }, answer.text);
  }
  t.equal((await rig.ended(runUid)).status, "failed");
  await untilDelivered(rig, [runUid]);
  const opened = new Map([
    ...(await openedBlobs(rig, runUid)),
    ...(await openedAnswers(rig)),
    ["what the approver saw", JSON.stringify(shown.json)],
  ]);
  const raw = await dump(rig);
  raw.set("the webhooks", receiver.messages.map(({ headers, body }) => JSON.stringify(headers) + body).join("\n"));
  raw.set("the metrics", (await call("/metrics")).text);
  raw.set("the dead letters", (await call("/v1/dead-letters")).text);
  raw.set("the events", (await call(`/v1/runs/${runUid}/events`, undefined, { accept: "application/json" })).text);
  for (const [path, text] of await files(rig.stepgate.rooms.config.instance.home)) raw.set(path, text);
  await rig.stepgate.stop();
  raw.set("the spans", spans.text());
  raw.set("the log stream", lines.join(""));
  return { runUid, raw, opened, redacted, control, reason, said, leaving, never };
}

t.test(
  "what an approver is shown, kept answers, webhooks, headers, spans, metrics, dead letters and files of the home hold no planted secret",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const seen = await heldOverHttp(t, database, { redacts: true });
      for (const place of [
        "the webhooks",
        "the spans",
        "the metrics",
        "the dead letters",
        "the log stream",
        "table approvals",
      ])
        t.ok((seen.raw.get(place) ?? "").length > 100, `the control: ${place} are there`);
      t.ok((seen.raw.get("the spans") ?? "").includes(seen.runUid), "the control: spans tell of the run");
      const webhooks = seen.raw.get("the webhooks") ?? "";
      for (const told of [seen.leaving, "stepgate.step_held", "stepgate.step_failed", "stepgate.run_failed"])
        t.ok(webhooks.includes(told), `the control: a webhook tells of ${told}`);
      t.ok(
        [...seen.raw.keys()].some((place) => place.startsWith("file ")),
        "the control: files were read",
      );
      for (const secret of [seen.redacted, seen.control, seen.reason, seen.said, ...Object.values(seen.never)])
        t.same(traces(secret, seen.raw), [], `raw: ${secret.slice(0, 14)}`);
      t.same(traces(seen.redacted, seen.opened), [], "opened: what was redacted before it was shown is nowhere");
      t.ok(
        traces(seen.control, new Map([["shown", seen.opened.get("what the approver saw") ?? ""]])).length > 0,
        "the control: the rest is shown",
      );
      t.ok(
        traces(seen.control, seen.opened).some((place) => place.endsWith("in answer kept for asked-once")),
        "the control: and is in the answer that is kept",
      );
      for (const secret of [seen.reason, seen.said])
        t.ok(traces(secret, seen.opened).length > 0, "the control: a reason and an error's text are sealed and found");
      for (const secret of Object.values(seen.never))
        t.same(traces(secret, seen.opened), [], "no header is kept, sealed or not");
    });
  },
);

t.test("with the redaction off the same scan finds what was planted, sealed and as it is shown", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const { redacted, opened, raw } = await heldOverHttp(t, database, { redacts: false });
    t.ok(traces(redacted, opened).some((place) => place.endsWith("in what the approver saw")));
    t.ok(traces(redacted, opened).some((place) => place.includes("input of held")));
    t.ok(traces(redacted, opened).some((place) => place.endsWith("in answer kept for asked-once")));
    t.same(traces(redacted, raw), [], "raw it is nowhere all the same: sealed is sealed");
  });
});
