/**
 * Tools (spec 09): registered over the API, called through the gate, bound to the version of the run's submission.
 *
 * The executor of most of them is a sink that remembers each call. Not here: what a definition may be
 * (executors/tool/check-definition.test.ts).
 */
import t, { type Test } from "tap";
import type { RunUid } from "../../src/core/ids.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../src/core/json.ts";
import { parseJson } from "../../src/core/parse-json.ts";
import { forEachDatabase, type TestDatabase } from "../storage/test-database.ts";
import { type Call, deskOf, submitAs } from "./approval-desk.ts";
import { verifies } from "./evidence-of.ts";
import { allow, type Decide, done, makeSink, type Rig, startRig } from "./rig.ts";

const GREETING: JsonObject = {
  executor: "sink",
  config: { by: "one", to: { $argument: "name" } },
  input_schema: {
    type: "object",
    properties: { name: { type: "string", maxLength: 20 } },
    required: ["name"],
    additionalProperties: false,
  },
  effects: "read",
};

interface Scene {
  readonly rig: Rig;
  readonly operator: Call;
  readonly submitter: Call;
  readonly calls: readonly { readonly spec: { readonly inputs: JsonObject } }[];
}

async function scene(t: Test, database: TestDatabase, runtime: Decide = allow): Promise<Scene> {
  const sink = makeSink(({ spec }) => done(spec.inputs));
  const rig = await startRig(t, {
    database,
    packs: { runtime },
    adapters: [sink.adapter],
    tenant: { runtime_pack: "runtime", required_guardrails: [] },
  });
  const [operator, submitter] = [
    await deskOf(rig, "olga", "operator"),
    await deskOf(rig, "sam", "submitter", "reader"),
  ];
  return { rig, operator, submitter, calls: sink.calls };
}

const register = async ({ operator }: Scene, name: string, definition: JsonObject): Promise<JsonObject> => {
  const answer = await operator("PUT", `/v1/tools/${name}`, definition);
  if (answer.status !== 201) throw new TypeError(JSON.stringify(answer));
  return answer.json;
};

const call = (tool: string, given: JsonValue, more: JsonObject = {}): JsonObject => ({
  type: "tool",
  inputs: { tool, arguments: given },
  ...more,
});

/** What the signed records of a run say of its tools, by kind and step. */
async function toolsInRecords({ rig }: Scene, runUid: RunUid): Promise<readonly JsonObject[]> {
  const rows = await rig.rows("select kind, statement from stepgate.records where run_uid = $1 and kind <> 'seal'", [
    runUid,
  ]);
  return rows.map(({ kind, statement }) => {
    const { predicate }: JsonObject = parseJson(String(statement)) as JsonObject;
    const { step, tool }: JsonObject = isJsonObject(predicate) ? predicate : {};
    return { kind: String(kind), step: isJsonObject(step) ? (step["step"] ?? "") : "", tool: tool ?? null };
  });
}

async function outputOf({ submitter }: Scene, step: JsonObject): Promise<JsonValue | undefined> {
  const { status, json } = await submitter("POST", "/v1/steps", { step });
  if (status !== 200) throw new TypeError(JSON.stringify(json));
  return json["output"];
}

t.test(
  "E3 a run keeps the version of its submission, a new run takes the new one, and the records name both",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const at = await scene(t, database);
      const one = await register(at, "greet", GREETING);
      const old = await submitAs(at.submitter, {
        steps: [
          { id: "before", ...call("greet", { name: "ada" }) },
          { id: "after", ...call("greet", { name: "bob" }) },
        ],
        edges: [["before", "after"]],
        debug: { breakpoints: [{ target: "step", value: "after" }] },
      });
      await at.rig.until(old, (_, run) => run.status === "paused_at_step");
      const two = await register(at, "greet", { ...GREETING, config: { by: "two" } });
      t.match([one["version"], two["version"]], [1, 2]);
      t.not(one["digest"], two["digest"]);
      t.same(await outputOf(at, call("greet", { name: "cid" })), { by: "two" }, "a new run takes the new one");
      const fresh = await submitAs(at.submitter, { steps: [{ id: "a", ...call("greet", { name: "dan" }) }] });
      t.equal((await at.rig.ended(fresh)).status, "succeeded");
      t.equal((await at.operator("POST", `/v1/runs/${old}/resume`)).status, 200);
      t.equal((await at.rig.ended(old)).status, "succeeded");
      t.same(
        at.calls.map(({ spec }) => spec.inputs),
        [{ by: "one", to: "ada" }, { by: "two" }, { by: "two" }, { by: "one", to: "bob" }],
        "the old run, two new ones, the old run again",
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
