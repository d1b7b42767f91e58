/** A14 as a caller sees it: the answer to a step shows its output with what was decided; what is kept is without. */
import t from "tap";
import { isJsonObject, type JsonObject, type JsonValue } from "../../src/core/json.ts";
import { openTestDatabase } from "../storage/test-database.ts";
import { deskOf } from "./approval-desk.ts";
import { done, makeSink, redactCard, startRig } from "./rig.ts";

t.test("A14 a step's answer shows its decisions in its output; the stored output is without them", async (t) => {
  let output: JsonValue = null;
  const sink = makeSink(() => done(output));
  const rig = await startRig(t, {
    database: await openTestDatabase(t),
    packs: { runtime: redactCard },
    adapters: [sink.adapter],
    tenant: { runtime_pack: "runtime", required_guardrails: [] },
  });
  const submitter = await deskOf(rig, "sue", "submitter", "reader");
  const perform = async (returned: JsonValue) => {
    output = returned;
    const { status, json } = await submitter("POST", "/v1/steps", { step: { type: "sink", inputs: { card: "4111" } } });
    t.equal(status, 200, JSON.stringify(json));
    const { body } = await stored(String(json["run_uid"]));
    t.same(body, returned, "what is kept");
    return json;
  };
  const stored = async (runUid: string) => {
    const { store, vaults } = rig.stepgate.rooms;
    const [row] = await rig.rows("select output_blob, decision_artifact from stepgate.steps where run_uid = $1", [
      runUid,
    ]);
    const blob = await store.readBlob(rig.tenantUid, row?.["output_blob"] as never);
    if (blob === undefined) throw new TypeError("no output is kept");
    const sealed = JSON.parse((await vaults.of(rig.tenantUid)).open(blob, blob)) as { readonly value: JsonValue };
    return { body: sealed.value, artifact: String(row?.["decision_artifact"]) };
  };

  const kept = await perform({ text: "hi", artifacts: { log: "x" }, policy_decisions: { note: 1 } });
  const { artifact } = await stored(String(kept["run_uid"]));
  t.match(artifact, /^[0-9a-f]{64}$/);
  const shown = kept["output"] as JsonObject;
  t.match(shown, {
    text: "hi",
    artifacts: { log: "x", policy_decisions: artifact },
    policy_decisions: { note: 1, artifact, denied: false, redacted: true },
  });
  const decisions = isJsonObject(shown["policy_decisions"]) ? shown["policy_decisions"] : {};
  const { metadata } = (await submitter("GET", `/v1/artifacts/${artifact}`)).json as { readonly metadata: JsonObject };
  for (const name of ["count", "effects", "boundaries", "reasons", "denied", "redacted", "origins"])
    t.same(decisions[name], metadata[name], `${name}: as its artifact says`);

  const replaced = await perform({ artifacts: ["no", "object"] });
  t.same((replaced["output"] as JsonObject)["artifacts"], {
    policy_decisions: (await stored(String(replaced["run_uid"]))).artifact,
  });
  t.equal((await perform("a text"))["output"], "a text", "what is no object is shown as it is");
});
