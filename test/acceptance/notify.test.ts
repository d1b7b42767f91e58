/**
 * The obligation `notify`: the sink that a pack names is told of the step, whatever events it asks for; a name that is no sink
 * of the tenant refuses, since a policy that asks for what cannot be done must not pass.
 */
import t from "tap";
import { isJsonObject, type JsonObject } from "../../src/core/json.ts";
import { forEachDatabase } from "../storage/test-database.ts";
import { deskOf, openApproval } from "./approval-desk.ts";
import { verifies } from "./evidence-of.ts";
import { type Decide, done, makeSink, startRig } from "./rig.ts";
import { QUICK, seqsOf, sinkApi, startReceiver, tenantFor, untilDelivered } from "./sink-desk.ts";

/** Does as the step's inputs say: `effect`, `notify` before, and `after` when something came out. */
const runtime: Decide = ({ inputs, output, approvals }) => {
  const { effect = "allow", notify, after } = (isJsonObject(inputs) ? inputs : {}) as Record<string, string>;
  const sink = output === undefined ? notify : after;
  const obligations = sink === undefined ? [] : [{ id: "tell", type: "notify" as const, properties: { sink } }];
  const isHeld = effect === "hold" && output === undefined && (approvals as readonly unknown[]).length === 0;
  if (isHeld) return { effect: "hold", reasons: ["needs_approval"], obligations };
  return effect === "deny" ? { effect: "deny", reasons: ["no"], obligations } : { effect: "allow", obligations };
};

t.test("a pack has a sink told of what it decided, and refuses where there is no such sink", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const [security, other] = [await startReceiver(t), await startReceiver(t)];
    const sink = makeSink(() => done({ text: "planted-in-outputs" }));
    const rig = await startRig(t, {
      database,
      packs: { runtime },
      adapters: [sink.adapter],
      tenant: tenantFor(security, other),
      env: QUICK,
    });
    const api = sinkApi(rig);
    // neither asks for anything but the ends of runs
    const ends = { events: ["run_succeeded", "run_failed"] };
    await api.put("security", security, ends);
    await api.put("other", other, ends);
    const end = async (inputs: JsonObject) => {
      const runUid = await rig.submit({ steps: [{ id: "a", type: "sink", inputs }] });
      if (inputs["effect"] === "hold") {
        const bob = await deskOf(rig, "bob", "approver");
        const approved = await bob("POST", `/v1/approvals/${await openApproval(rig, runUid)}`, { decision: "approve" });
        t.equal(approved.status, 200);
      }
      await rig.ended(runUid);
      return { runUid, step: (await rig.steps(runUid)).get("a") };
    };

    const told: readonly (readonly [why: string, JsonObject, readonly string[]])[] = [
      ["the control: nobody is to be told", {}, []],
      ["a deny", { effect: "deny", notify: "security" }, ["step_refused"]],
      ["what is allowed", { notify: "security" }, ["step_started"]],
      ["what came out", { after: "security" }, ["step_succeeded"]],
      ["a hold, and what is approved", { effect: "hold", notify: "security" }, ["step_held", "step_started"]],
    ];
    for (const [why, inputs, types] of told) {
      const { runUid } = await end(inputs);
      await untilDelivered(rig, [runUid]);
      const seen = security.messages.filter((message) => message.runUid === runUid);
      const of = seen.map(({ event }) => String(event["type"]).replace("stepgate.", ""));
      t.same(of.slice(0, -1), types, why);
      t.match(of.at(-1), /^run_/, "and what it asks for");
      for (const { event } of seen.slice(0, -1)) t.match(event["data"], { step_id: "a", notify: ["security"] });
      t.notMatch(JSON.stringify(seen), /planted/, "ids and status only");
      t.equal(seqsOf(other, runUid).length, 1, "nobody else is told");
      await verifies(t, rig, runUid);
    }

    const calls = sink.calls.length;
    const refused: readonly (readonly [JsonObject, JsonObject])[] = [
      [{ notify: "nobody" }, { errorKind: "policy_error", reasons: ["unknown_sink"], attemptsMade: 0 }],
      [
        { effect: "deny", notify: "nobody" },
        { errorKind: "policy_denied", reasons: ["no", "unknown_sink"] },
      ],
      [
        { effect: "hold", notify: "nobody" },
        { errorKind: "policy_error", reasons: ["needs_approval", "unknown_sink"] },
      ],
    ];
    for (const [inputs, found] of refused) {
      const runUid = await rig.submit({ steps: [{ id: "a", type: "sink", inputs }] });
      await rig.ended(runUid);
      t.match((await rig.steps(runUid)).get("a"), { state: "failed", ...found }, JSON.stringify(inputs));
      const events = await rig.events(runUid);
      t.notMatch(JSON.stringify(events), "nobody", "a name that is none stands in no event");
    }
    t.equal(sink.calls.length, calls, "and no executor was called");
    const denied = await end({ after: "nobody" });
    t.match(denied.step, { errorKind: "output_denied", reasons: ["unknown_sink"] }, "nor does what came out pass");
    // without a submission in between, which would have everything read anew
    const asked = { boundary: "scheduler", step: { type: "sink", inputs: { notify: "nobody" } } };
    const decided = async () => (await api.call("POST", "/v1/decisions", asked)).json["decision"];
    const isUnheard = { effect: "deny", reasons: ["unknown_sink"] };
    t.match(await decided(), isUnheard);
    await api.put("nobody", other, { ...ends, is_paused: true });
    t.match(await decided(), { effect: "allow" });
    t.match((await end({ notify: "nobody" })).step, { state: "succeeded" }, "there is such a sink now");
    t.equal((await api.call("DELETE", "/v1/sinks/nobody")).status, 204);
    t.match(await decided(), isUnheard);
    t.match((await end({ notify: "nobody" })).step, { reasons: ["unknown_sink"] }, "and now there is none");
  });
});
