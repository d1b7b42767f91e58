/**
 * A step names packs that are not here, or tells one what it does not understand: refused before anything is stored, and
 * again before any effect, since packs may go while a step waits.
 */
import t from "tap";
import type { JsonObject } from "../../src/core/json.ts";
import { allow, done, makeSink, packOf, startRig } from "../acceptance/rig.ts";
import { openTestDatabase } from "../storage/test-database.ts";

const OPTIONS_SCHEMA = {
  type: "object",
  properties: { mode: { enum: ["deny", "redact"] } },
  additionalProperties: false,
};
const CARD = "4111 1111 1111 1111";

t.test("packs a step names are there and take their options, or nothing is stored and nothing performed", async (t) => {
  const database = await openTestDatabase(t);
  const sink = makeSink(() => done("made"));
  const rig = await startRig(t, {
    database,
    packs: { open: allow, plain: allow },
    adapters: [sink.adapter],
    tenant: { runtime_pack: "open", required_guardrails: [] },
  });
  const { packs } = rig.stepgate.rooms;
  const put = (id: string, options: JsonObject) => {
    const pack = packOf(id, allow);
    packs.set(id, { ...pack, manifest: { ...pack.manifest, options } });
  };
  put("strict", OPTIONS_SCHEMA);
  put("open_ended", { type: "object" });
  put("broken", { type: "object", properties: 7, $ref: "#/nowhere" });
  const submit = (pack: JsonObject) =>
    rig.submit({ steps: [{ id: "a", type: "sink", inputs: {}, policy: { packs: [pack] } }] });
  const refusals: readonly (readonly [string, JsonObject, string])[] = [
    ["a missing pack before the effect", { name: "missing", hooks: ["pre"] }, "PLAN_UNKNOWN_PACK"],
    ["a missing pack that would only see the output", { name: "missing", hooks: ["post"] }, "PLAN_UNKNOWN_PACK"],
    ["a name that every object has", { name: "constructor" }, "PLAN_UNKNOWN_PACK"],
    ["options for a pack that takes none", { name: "plain", options: { mode: "deny" } }, "PLAN_PACK_OPTIONS"],
    ["an unknown mode", { name: "strict", options: { mode: "ignore" } }, "PLAN_PACK_OPTIONS"],
    ["an unknown option", { name: "strict", options: { moed: "deny" } }, "PLAN_PACK_OPTIONS"],
    [
      "a bad option of the output's side",
      { name: "strict", hooks: ["post"], options: { mode: 1 } },
      "PLAN_PACK_OPTIONS",
    ],
    ["a pack whose schema cannot be read", { name: "broken", options: { a: 1 } }, "PLAN_PACK_OPTIONS"],
    ["a card number as an option", { name: "open_ended", options: { note: CARD } }, "PLAN_PACK_OPTIONS"],
    ["the hook mid", { name: "plain", hooks: ["mid"] }, "FIELD_INVALID"],
  ];
  for (const [title, pack, code] of refusals) {
    await t.rejects(submit(pack), { code }, title);
  }
  const refused = await submit({ name: "plain", hooks: ["pre", "mid"] }).catch((caught: unknown) => caught);
  t.match(refused, {
    detail: { field: "/steps/0/policy/packs/0/hooks/1", reason: "there is no hook mid: a pack decides pre or post" },
  });
  t.same(await rig.rows("select run_uid from stepgate.runs"), [], "nothing is stored");
  const runUid = await submit({ name: "strict", options: { mode: "deny" } });
  t.equal((await rig.ended(runUid)).status, "succeeded", "options that fit pass");
  t.equal(sink.calls.length, 1);
});

t.test("a pack that is gone, or takes other options now, refuses the step before its effect", async (t) => {
  const database = await openTestDatabase(t);
  const sink = makeSink(() => done("made"));
  const rig = await startRig(t, {
    database,
    packs: { open: allow },
    adapters: [sink.adapter],
    tenant: { runtime_pack: "open", required_guardrails: [] },
  });
  const { packs } = rig.stepgate.rooms;
  const changes = [
    ["no_pack", () => packs.delete("extra")],
    ["pack_options_invalid", () => packs.set("extra", packOf("extra", allow))],
  ] as const;
  for (const [reason, change] of changes) {
    const pack = packOf("extra", allow);
    packs.set("extra", { ...pack, manifest: { ...pack.manifest, options: OPTIONS_SCHEMA } });
    const runUid = await rig.submit({
      steps: [{ id: "a", type: "sink", inputs: {}, policy: { packs: [{ name: "extra", options: { mode: "deny" } }] } }],
      debug: { breakpoints: [{ target: "step", value: "a" }] },
    });
    await rig.until(runUid, (_, run) => run.status === "paused_at_step");
    change();
    await rig.stepgate.rooms.store.resume(rig.tenantUid, runUid, "key:test");
    rig.stepgate.rooms.ready.ready();
    t.equal((await rig.ended(runUid)).status, "failed");
    t.match((await rig.steps(runUid)).get("a"), { errorKind: "policy_error", reasons: [reason], attemptsMade: 0 });
  }
  t.equal(sink.calls.length, 0, "nothing was performed");
});
