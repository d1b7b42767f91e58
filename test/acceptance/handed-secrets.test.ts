/**
 * The scan of spec 00 for secrets that tools are handed (spec 09): whatever a tool says of one, it is kept nowhere.
 */
import { createHash } from "node:crypto";
import t, { type Test } from "tap";
import type { JsonObject } from "../../src/core/json.ts";
import type { ExecutorResult } from "../../src/executors/contract.ts";
import { PROCESS_SECRETS } from "../../src/executors/process/secret-env.ts";
import { makeExportEvidence } from "../../src/runs/export-evidence.ts";
import { PERL } from "../executors/process/sandbox.ts";
import { forEachDatabase, openTestDatabase, type TestDatabase } from "../storage/test-database.ts";
import { deskOf } from "./approval-desk.ts";
import { allow, makeSink, startRig } from "./rig.ts";
import { collector, dump, files, openedAnswers, openedBlobs, percent, plant, traces, unicode } from "./secret-scan.ts";

const tenant = { runtime_pack: "runtime", required_guardrails: [] };

/** What a careless tool says of its secret: plain, and in every encoding that is masked. */
function said(secret: string): JsonObject {
  const inside = (before: string) => Buffer.from(`${before}${secret}after`);
  return {
    [`key ${secret}`]: 1,
    text: `it is ${secret}!`,
    json: JSON.stringify({ deep: JSON.stringify(secret) }),
    escaped: [percent(secret), encodeURIComponent(secret), unicode(secret)],
    base64: ["", "x", "xy"].flatMap((before) => [
      inside(before).toString("base64"),
      inside(before).toString("base64url"),
    ]),
    hex: Buffer.from(secret).toString("hex"),
    sha256: createHash("sha256").update(secret).digest("hex"),
  };
}

/** Steps whose tools are handed a secret and say it in every way; `isMasked` false: they say another text instead. */
async function handedToTools(t: Test, database: TestDatabase, { isMasked }: { readonly isMasked: boolean }) {
  const handed = plant("handed");
  const control = plant("sealed-beside");
  const spans = await collector(t);
  const lines: string[] = [];
  const toolEvents = [{ kind: "said", payload: said(isMasked ? handed : control) }];
  const told = isMasked ? handed : control;
  const sink = makeSink(({ stepId }): ExecutorResult => {
    if (stepId === "throws") throw new TypeError(`not with ${told}`);
    if (stepId === "bad")
      return {
        ok: false,
        kind: "execution_error",
        retryable: true,
        code: "boom",
        message: told,
        details: said(told),
        toolEvents,
      };
    return { ok: true, output: { ...said(told), control }, checkpoint: said(told), usage: { tokens: 1 }, toolEvents };
  });
  const rig = await startRig(t, {
    database,
    packs: { runtime: allow },
    adapters: [{ ...sink.adapter, secrets: PROCESS_SECRETS }],
    tenant,
    env: { STEPGATE_OTLP_ENDPOINT: spans.url },
    onLogLine: (line) => {
      lines.push(line);
    },
  });
  const olga = await deskOf(rig, "olga", "operator", "submitter");
  for (const status of [201, 201]) {
    const put = await olga("PUT", "/v1/secrets/crm.key", { value: handed }, { "idempotency-key": "kept-once" });
    t.equal(put.status, status);
  }
  t.equal((await olga("PUT", "/v1/secrets/crm.key", { value: `${handed}\u0000`, more: 1 })).status, 400);
  t.equal((await olga("PUT", "/v1/executors/process", PERL)).status, 200);
  const secrets = [{ name: "CRM_KEY", ref: "crm.key", as: "env" }];
  const open = { config: {}, input_schema: { type: "object" }, secrets };
  const print = "print $ENV{CRM_KEY}; print STDERR $ENV{CRM_KEY}; exit 1 if @ARGV";
  for (const [name, definition] of [
    ["crm.say", { executor: "sink", ...open }],
    ["crm.print", { executor: "process", ...open, config: { command: ["perl", "-e", print] } }],
    ["crm.fail", { executor: "process", ...open, config: { command: ["perl", "-e", print, "1"] } }],
  ] as const)
    t.equal((await olga("PUT", `/v1/tools/${name}`, definition)).status, 201, name);
  const by = (id: string, tool: string) => ({ id, type: "tool", inputs: { tool, arguments: {} } });
  const runUid = await rig.submit({
    steps: [
      by("good", "crm.say"),
      by("bad", "crm.say"),
      by("throws", "crm.say"),
      by("prints", "crm.print"),
      by("fails", "crm.fail"),
    ],
  });
  t.equal((await rig.ended(runUid)).status, "failed");
  t.same(
    new Set(sink.calls.map((call) => JSON.stringify(call.secrets))),
    new Set([JSON.stringify([{ name: "CRM_KEY", value: handed }])]),
    "the control: it was handed over",
  );
  t.match((await rig.steps(runUid)).get("prints"), { state: "succeeded" });
  const { store, records } = rig.stepgate.rooms;
  const raw = await dump(rig);
  raw.set("the log stream", lines.join(""));
  raw.set("the evidence", (await makeExportEvidence({ store, records })(rig.tenantUid, { runUid })) ?? "");
  raw.set("the events", JSON.stringify(await rig.events(runUid)));
  raw.set("the definitions", JSON.stringify([await olga("GET", "/v1/tools"), await olga("GET", "/v1/secrets")]));
  for (const [path, text] of await files(rig.stepgate.rooms.config.instance.home)) raw.set(path, text);
  const opened = new Map([...(await openedBlobs(rig, runUid)), ...(await openedAnswers(rig))]);
  await rig.stepgate.stop();
  raw.set("the spans", spans.text());
  return { raw, opened, handed, control };
}

t.test(
  "a secret that tools are handed is nowhere, sealed or not, but in its own sealed row, whatever they say of it",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const { raw, opened, handed, control } = await handedToTools(t, database, { isMasked: true });
      t.same(traces(handed, raw), [], "raw");
      t.same(traces(handed, opened), [], "opened");
      t.ok(traces(control, opened).length > 0, "opened: what stood beside it is found");
      for (const field of [
        "output of good",
        "output of prints",
        "error of bad",
        "error of throws",
        "error of fails",
        "checkpoint",
      ])
        t.ok(
          [...opened].some(([place, text]) => place.includes(field) && text.includes("[secret]")),
          `the control: ${field} is there, masked`,
        );
      t.ok(
        [...opened.keys()].some((place) => place.includes("answer kept for kept-once")),
        "the control: an answer is kept",
      );
      t.ok((raw.get("table secrets") ?? "").includes("crm.key"), "the control: so is the secret");
    });
  },
);

t.test("what is no tool's secret is found in all the places and spellings where one is masked", async (t) => {
  const { opened, control } = await handedToTools(t, await openTestDatabase(t), { isMasked: false });
  const found = traces(control, opened);
  for (const field of ["output of good", "error of bad", "error of throws", "checkpoint"])
    t.ok(
      found.some((place) => place.includes(field)),
      field,
    );
  for (const spelling of ["text", "percent", "hex", "sha256", "base64 at 0", "base64 at 1", "base64url at 2"])
    t.ok(
      found.some((place) => place.startsWith(`${spelling} in`)),
      spelling,
    );
});
