/**
 * What one step goes through (spec 01, acceptance cases A1, A2, A15), with sinks that must stay untouched or not.
 */
import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { isJsonObject, type JsonObject } from "../../src/core/json.ts";
import { forEachDatabase } from "../storage/test-database.ts";
import { verifies } from "./evidence-of.ts";
import { allow, type Decide, done, makeSink, type Rig, startRig } from "./rig.ts";

const tenant = { runtime_pack: "runtime", required_guardrails: [] };
const deny: Decide = () => ({ effect: "deny", reasons: ["nothing_allowed"] });
async function eventOf(rig: Rig, runUid: Parameters<Rig["events"]>[0], type: string): Promise<JsonObject> {
  return (await rig.events(runUid)).find((event) => event.type === type)?.data ?? {};
}

t.test("A1 a denied step touches nothing, is charged nothing and says why on step and event", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const folder = await mkdtemp(join(tmpdir(), "stepgate-a1-"));
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    const file = join(folder, "sink");
    await writeFile(file, "");
    const sink = makeSink(async ({ stepId }) => {
      await appendFile(file, `${stepId}\n`);
      return done(null);
    });
    const runtime: Decide = (input) => (isJsonObject(input["inputs"]) && input["inputs"]["may"] ? allow : deny)(input);
    const rig = await startRig(t, { database, packs: { runtime }, adapters: [sink.adapter], tenant });
    const control = await rig.submit({ steps: [{ id: "control", type: "sink", inputs: { may: true } }] });
    t.equal((await rig.ended(control)).status, "succeeded");
    const runUid = await rig.submit({ steps: [{ id: "a", type: "sink", inputs: {} }], budget: { tokens: 100 } });
    t.equal((await rig.ended(runUid)).status, "failed");
    t.equal(await readFile(file, "utf8"), "control\n", "the sink is untouched, and was touched where nothing denied");
    t.match((await rig.steps(runUid)).get("a"), {
      state: "failed",
      attemptsMade: 0,
      errorKind: "policy_denied",
      reasons: ["nothing_allowed"],
    });
    t.match(await eventOf(rig, runUid, "step_refused"), {
      error_kind: "policy_denied",
      stage: "decide",
      reasons: ["nothing_allowed"],
    });
    t.match(
      await rig.rows("select kind, actual_tokens, reserved_tokens from stepgate.cost_ledger where run_uid = $1", [
        runUid,
      ]),
      [{ kind: "refused", actual_tokens: 0, reserved_tokens: 0 }],
    );
    t.match(
      (await rig.rows("select tokens_used, tokens_reserved from stepgate.budgets where run_uid = $1", [runUid]))[0],
      { tokens_used: 0, tokens_reserved: 0 },
    );
  });
});

t.test("A2 a redacted step runs on the patched inputs, and the original is nowhere", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const secret = `secret-${Math.random()}`;
    const sink = makeSink(() => done({ ok: true }, { tokens: 10, usdMicros: 0 }));
    const redact: Decide = ({ inputs }) =>
      (inputs as JsonObject)["card"] === "[redacted]"
        ? { effect: "allow" }
        : {
            effect: "redact",
            reasons: ["card"],
            patches: [{ op: "replace", path: "/inputs/card", value: "[redacted]" }],
          };
    const rig = await startRig(t, { database, packs: { runtime: redact }, adapters: [sink.adapter], tenant });
    const runUid = await rig.submit({
      steps: [{ id: "a", type: "sink", inputs: { card: secret } }],
      budget: { tokens: 100 },
    });
    t.equal((await rig.ended(runUid)).status, "succeeded");
    t.equal(sink.calls[0]?.spec.inputs["card"], "[redacted]");
    t.match((await rig.steps(runUid)).get("a"), { state: "succeeded", attemptsMade: 1, tokens: 10 });
    t.match(await eventOf(rig, runUid, "step_succeeded"), { budget: { actual: { tokens: 10 } } });
    t.match(await eventOf(rig, runUid, "step_input_redacted"), { paths: ["/inputs/*"] });
    const blobs = await rig.rows("select field from stepgate.blobs where run_uid = $1 and field = 'input'", [runUid]);
    t.equal(blobs.length, 1, "the original's blob and key are deleted with the redaction");
  });
});

t.test("A2 what cannot be redacted is denied", async (t) => {
  const refusals = [
    {
      why: "a patch on a missing path",
      patches: [{ op: "replace", path: "/inputs/none", value: 1 }],
      kind: "patch_not_allowed",
    },
    {
      why: "a patch outside the payload",
      patches: [{ op: "add", path: "/policy/guardrails/0", value: "x" }],
      kind: "patch_not_allowed",
    },
    {
      why: "a patch of what may not change",
      patches: [{ op: "replace", path: "/execution/max_attempts", value: 9 }],
      kind: "patch_not_allowed",
    },
    { why: "a redaction that its own pack redacts again", patches: "growing", kind: "redaction_not_stable" },
  ] as const;
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink(() => done(null));
    const runtime: Decide = ({ inputs }) => {
      const { which, text } = inputs as JsonObject;
      const refusal = refusals.find(({ why }) => why === which);
      const patches =
        refusal?.patches === "growing"
          ? [{ op: "replace" as const, path: "/inputs/text", value: `${String(text)}!` }]
          : (refusal?.patches ?? []);
      return { effect: "redact", reasons: ["r"], patches };
    };
    const rig = await startRig(t, { database, packs: { runtime }, adapters: [sink.adapter], tenant });
    for (const { why, kind } of refusals) {
      const runUid = await rig.submit({ steps: [{ id: "a", type: "sink", inputs: { which: why, text: "x" } }] });
      await rig.ended(runUid);
      t.equal((await rig.steps(runUid)).get("a")?.errorKind, kind, why);
    }
    t.equal(sink.calls.length, 0);
  });
});

t.test(
  "A15 T1 a step refused at any stage leaves a signed record and a decision artifact, and no sink is touched",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const sink = makeSink(() => done(null, { tokens: 60, usdMicros: 0 }));
      const runtime: Decide = ({ step }) =>
        (step as JsonObject)["id"] === "decide"
          ? { effect: "deny", reasons: ["no"] }
          : { effect: "allow", ...narrowed((step as JsonObject)["id"]) };
      const guardrail: Decide = ({ step }) =>
        (step as JsonObject)["id"] === "guardrails" ? { effect: "deny", reasons: ["no"] } : { effect: "allow" };
      // what a refused step held in flight and did not give back would keep every later one waiting
      const all = { execution: { cost_hint: { tokens: 60 } } };
      const rig = await startRig(t, {
        database,
        packs: { runtime, guardrail },
        adapters: [sink.adapter],
        tenant: { ...tenant, required_guardrails: ["guardrail"] },
        env: { STEPGATE_MAX_IN_FLIGHT_TOKENS: "60" },
      });
      const stages = ["guardrails", "decide", "mint", "guard", "admit"];
      const step = (id: string) => ({ id, type: "sink", inputs: {}, ...all });
      const runUid = await rig.submit({
        steps: ["guardrails", "decide", "mint", "guard", "spender", "admit"].map(step),
        budget: { tokens: 100 },
        run_config: { execution_mode: "sequential" },
      });
      await rig.ended(runUid);
      const refusals = (await rig.events(runUid)).filter(({ type }) => type === "step_refused");
      t.same(
        refusals.map(({ stepId, data }) => [stepId, data["stage"]]),
        stages.map((stage) => [stage, stage]),
      );
      const records = await rig.rows(
        "select step_id, kind from stepgate.records where run_uid = $1 and kind = 'refusal'",
        [runUid],
      );
      const artifacts = await rig.rows("select step_id from stepgate.artifacts where run_uid = $1", [runUid]);
      for (const id of stages) {
        t.ok(
          records.some((row) => row["step_id"] === id),
          `record of ${id}`,
        );
        t.ok(
          artifacts.some((row) => row["step_id"] === id),
          `artifact of ${id}`,
        );
      }
      t.equal(sink.calls.length, 1, "only the step within the budget ran");
      t.equal(refusals.at(-1)?.data["error_kind"], "budget_exceeded");
      await verifies(t, rig, runUid, "their records are signed");
      const after = await rig.submit({ steps: [step("after")] });
      t.equal((await rig.ended(after)).status, "succeeded", "nothing is left in flight");
    });
  },
);

/** Obligations that break minting, or leave a scope that does not cover the demand. */
function narrowed(id: JsonObject[string] | undefined) {
  if (id === "mint") return { obligations: [{ id: "o", type: "limit" as const, properties: { tokens: "many" } }] };
  if (id === "guard") return { obligations: [{ id: "o", type: "limit" as const, properties: { calls: 0 } }] };
  return {};
}
