/**
 * Tools (spec 09): registered over the API, called through the gate, bound to the version of the run's submission.
 *
 * The executor of most of them is a sink that remembers each call. Not here: what a definition may be
 * (executors/tool/check-definition.test.ts).
 */
import t from "tap";
import type { RunUid } from "../../src/core/ids.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../src/core/json.ts";
import { forEachDatabase } from "../storage/test-database.ts";
import { submitAs } from "./approval-desk.ts";
import { verifies } from "./evidence-of.ts";
import { call, GREETING, outputOf, register, toolScene, toolsInRecords } from "./tool-desk.ts";

t.test(
  "E3 a run keeps the version of its submission, a new run takes the new one, and the records name both",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const at = await toolScene(t, database);
      const one = await register(at, "greet", GREETING);
      const old = await submitAs(at.submitter, {
        steps: [
          { id: "before", ...call("greet", { name: "ada" }) },
          { id: "after", ...call("greet", { name: "bob" }) },
        ],
        edges: [["before", "after"]],
        debug: {
          breakpoints: [
            { target: "step", value: "before" },
            { target: "step", value: "after" },
          ],
        },
      });
      // nothing of the first version has run here: what the run uses later must come from what it is bound to
      const pausedAt = (step: string) =>
        at.rig.untilEvent(old, ({ type, data }) => type === "run_paused" && data["step_id"] === step);
      await pausedAt("before");
      const two = await register(at, "greet", { ...GREETING, config: { by: "two" } });
      t.match([one["version"], two["version"]], [1, 2]);
      t.not(one["digest"], two["digest"]);
      t.same(await outputOf(at, call("greet", { name: "cid" })), { by: "two" }, "a new run takes the new one");
      const fresh = await submitAs(at.submitter, { steps: [{ id: "a", ...call("greet", { name: "dan" }) }] });
      t.equal((await at.rig.ended(fresh)).status, "succeeded");
      t.equal((await at.operator("POST", `/v1/runs/${old}/resume`)).status, 200);
      await pausedAt("after");
      await register(at, "greet", { ...GREETING, config: { by: "three" } });
      t.equal((await at.operator("POST", `/v1/runs/${old}/resume`)).status, 200);
      t.equal((await at.rig.ended(old)).status, "succeeded");
      t.same(
        at.calls.map(({ spec }) => spec.inputs),
        [{ by: "two" }, { by: "two" }, { by: "one", to: "ada" }, { by: "one", to: "bob" }],
        "two new runs, then the old one",
      );
      const shown = await at.submitter("GET", `/v1/runs/${old}`);
      t.match(shown.json["steps"], [{ provider: "greet", provider_version: "1" }, { provider_version: "1" }]);
      const named = (definition: JsonObject, step: string) => {
        const tool = { digest: definition["digest"], name: "greet", version: definition["version"] };
        return [
          { kind: "admission", step, tool },
          { kind: "outcome", step, tool },
        ];
      };
      const sorted = (records: readonly JsonObject[]) => records.map((record) => JSON.stringify(record)).sort();
      t.same(sorted(await toolsInRecords(at, old)), sorted([...named(one, "before"), ...named(one, "after")] as never));
      t.same(sorted(await toolsInRecords(at, fresh)), sorted(named(two, "a") as never));
      for (const runUid of [old, fresh]) {
        const report = await verifies(t, at.rig, runUid);
        t.match(
          report.checks.find(({ code }) => code === "step_tool"),
          { verdict: "ok", detail: { checked: Number } },
        );
      }
    });
  },
);

t.test("E2 arguments against the schema: refused before any pack decides, 0 charged", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    let decided = 0;
    const at = await toolScene(t, database, {
      runtime: () => {
        decided += 1;
        return { effect: "allow" };
      },
    });
    const { digest } = await register(at, "greet", { ...GREETING, defaults: { tokens: 50, usd_micros: 7 } });
    const refusals: readonly { why: string; given: JsonValue; field: string }[] = [
      { why: "missing", given: {}, field: "/inputs/arguments/name" },
      { why: "of another type", given: { name: 7 }, field: "/inputs/arguments/name" },
      { why: "too long", given: { name: "x".repeat(21) }, field: "/inputs/arguments/name" },
      { why: "unknown", given: { name: "x", shell: "4111-1111" }, field: "/inputs/arguments" },
      { why: "no object", given: ["x"], field: "/inputs/arguments" },
    ];
    for (const { why, given, field } of refusals) {
      const { status, json } = await at.submitter("POST", "/v1/steps", { step: call("greet", given) });
      t.match({ status, json }, { status: 403, json: { error_kind: "invalid_request" } }, why);
      const runUid = String(json["run_uid"]) as RunUid;
      await at.rig.ended(runUid);
      const refused = (await at.rig.events(runUid)).find(({ type }) => type === "step_refused");
      t.same(refused?.data["detail"], { fields: [field] }, why);
      const step = (await at.rig.steps(runUid)).get("step");
      t.match(step, { attemptsMade: 0, tokens: 0, usdMicros: 0 }, why);
      const ledger = await at.rig.rows(
        "select coalesce(sum(actual_tokens + actual_usd_micros + reserved_tokens), 0)::int as used from stepgate.cost_ledger where run_uid = $1",
        [runUid],
      );
      t.same(ledger, [{ used: 0 }], why);
      const [record] = await toolsInRecords(at, runUid);
      t.match(record, { kind: "refusal", tool: { name: "greet", version: 1, digest } }, "the refusal names the tool");
      await verifies(t, at.rig, runUid);
    }
    const slow = { ...GREETING, input_schema: { type: "object", properties: { name: { pattern: "(a?){200}[bc]$" } } } };
    await register(at, "slow", slow);
    const long = await at.submitter("POST", "/v1/steps", { step: call("slow", { name: "a".repeat(60_000) }) });
    t.match(long, { status: 403, json: { error_kind: "invalid_request" } }, "what would take too long to check");
    const longRun = String(long.json["run_uid"]) as RunUid;
    await at.rig.ended(longRun);
    t.match((await at.rig.steps(longRun)).get("step"), { reasons: ["inputs_too_complex"], attemptsMade: 0 });
    t.equal(decided, 0);
    t.equal(at.calls.length, 0);
    t.same(await outputOf(at, call("greet", { name: "ada" })), { by: "one", to: "ada" }, "the control");
    t.ok(decided > 0);
  });
});

t.test("E2 arguments that a step before returned are checked too, and a pack's patch is checked again", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const patch = (path: string, value: JsonValue) => ({
      effect: "redact" as const,
      patches: [{ op: "replace" as const, path, value }],
    });
    const at = await toolScene(t, database, {
      runtime: ({ inputs }) => {
        const given = isJsonObject(inputs) ? inputs["arguments"] : undefined;
        const name = isJsonObject(given) ? given["name"] : undefined;
        if (name === "patch") return patch("/inputs/arguments/name", 7);
        return name === "swap" ? patch("/inputs/tool", "other") : { effect: "allow" };
      },
    });
    await register(at, "greet", GREETING);
    await register(at, "other", GREETING);
    const chain = await submitAs(at.submitter, {
      steps: [
        { id: "ask", type: "noop", inputs: { result: { n: 5 } } },
        { id: "tell", ...call("greet", { name: { $from: "ask", pointer: "/n" } }) },
        { id: "patched", ...call("greet", { name: "patch" }) },
        { id: "swapped", ...call("greet", { name: "swap" }) },
      ],
      edges: [["ask", "tell"]],
    });
    await at.rig.ended(chain);
    const steps = await at.rig.steps(chain);
    t.match(steps.get("tell"), { errorKind: "invalid_request", reasons: ["inputs_invalid"] });
    t.match(steps.get("patched"), { errorKind: "invalid_request", reasons: ["inputs_invalid_after_patch"] });
    t.match(steps.get("swapped"), { errorKind: "invalid_request", reasons: ["inputs_invalid_after_patch"] });
    t.equal(at.calls.length, 0);
  });
});
