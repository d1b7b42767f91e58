/**
 * Tools around a rig: who registers, who calls, and what the signed records of a run say of them.
 *
 * The executor `sink` remembers each call and answers with its inputs, unless `perform` says otherwise.
 */
import type { Test } from "tap";
import type { RunUid } from "../../src/core/ids.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../src/core/json.ts";
import { parseJson } from "../../src/core/parse-json.ts";
import type { ExecutionContext, ExecutorResult } from "../../src/executors/contract.ts";
import type { StepRow } from "../../src/runs/ports.ts";
import type { TestDatabase } from "../storage/test-database.ts";
import { type Call, deskOf, submitAs } from "./approval-desk.ts";
import { allow, type Decide, done, makeSink, type Rig, startRig } from "./rig.ts";

export const GREETING: JsonObject = {
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

export interface ToolScene {
  readonly rig: Rig;
  readonly operator: Call;
  readonly submitter: Call;
  readonly calls: readonly ExecutionContext[];
}

export interface SceneOptions {
  readonly runtime?: Decide;
  readonly perform?: (context: ExecutionContext) => ExecutorResult;
  readonly tenant?: JsonObject;
}

export async function toolScene(
  t: Test,
  database: TestDatabase,
  { runtime = allow, perform = ({ spec }) => done(spec.inputs), tenant = {} }: SceneOptions = {},
): Promise<ToolScene> {
  const sink = makeSink(perform);
  const rig = await startRig(t, {
    database,
    packs: { runtime },
    adapters: [sink.adapter],
    tenant: { runtime_pack: "runtime", required_guardrails: [], ...tenant },
  });
  const [operator, submitter] = [
    await deskOf(rig, "olga", "operator"),
    await deskOf(rig, "sam", "submitter", "reader"),
  ];
  return { rig, operator, submitter, calls: sink.calls };
}

/** Registers a new version, and answers with it. */
export async function register(
  { operator }: Pick<ToolScene, "operator">,
  name: string,
  definition: JsonObject,
): Promise<JsonObject> {
  const answer = await operator("PUT", `/v1/tools/${name}`, definition);
  if (answer.status !== 201) throw new TypeError(JSON.stringify(answer));
  return answer.json;
}

/** A step that calls a tool. */
export function call(tool: string, given: JsonValue, more: JsonObject = {}): JsonObject {
  return { type: "tool", inputs: { tool, arguments: given }, ...more };
}

/** What the signed records of a run say of its tools, by kind and step. */
export async function toolsInRecords({ rig }: ToolScene, runUid: RunUid): Promise<readonly JsonObject[]> {
  const rows = await rig.rows(
    "select kind, statement from stepgate.records where run_uid = $1 and kind <> 'seal' order by kind, statement",
    [runUid],
  );
  return rows.map(({ kind, statement }) => {
    const parsed = parseJson(String(statement));
    const predicate = isJsonObject(parsed) ? parsed["predicate"] : undefined;
    const { step, tool }: JsonObject = isJsonObject(predicate) ? predicate : {};
    return { kind: String(kind), step: isJsonObject(step) ? (step["step"] ?? "") : "", tool: tool ?? null };
  });
}

/** The output of one step, performed at once, without the decisions that its answer shows beside (A14). */
export async function outputOf({ submitter }: ToolScene, step: JsonObject): Promise<JsonValue | undefined> {
  const { status, json } = await submitter("POST", "/v1/steps", { step });
  if (status !== 200) throw new TypeError(JSON.stringify(json));
  const { output } = json;
  if (!isJsonObject(output)) return output;
  const { policy_decisions: _, artifacts: __, ...returned } = output;
  return returned;
}

/** One step as a run of its own, once that has ended. */
export async function performed(at: ToolScene, step: JsonObject): Promise<StepRow & { readonly runUid: RunUid }> {
  const runUid = await submitAs(at.submitter, { steps: [{ id: "a", ...step }] });
  await at.rig.ended(runUid);
  const row = (await at.rig.steps(runUid)).get("a");
  if (row === undefined) throw new TypeError("no such step");
  return { ...row, runUid };
}
