/**
 * A step names packs that are not here, or tells one what it does not understand: refused before any effect.
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

t.test("packs a step names are there and take their options, or nothing is performed", async (t) => {
  const database = await openTestDatabase(t);
  const sink = makeSink(() => done("made"));
  const rig = await startRig(t, {
    database,
    packs: { open: allow, plain: allow },
    adapters: [sink.adapter],
    tenant: { runtime_pack: "open", required_guardrails: [] },
  });
  const { packs } = rig.stepgate.rooms;
  const withOptions = (id: string, options: JsonObject) => {
    const pack = packOf(id, allow);
    packs.set(id, { ...pack, manifest: { ...pack.manifest, options } });
  };
  withOptions("strict", OPTIONS_SCHEMA);
  withOptions("broken", { type: "object", properties: 7, $ref: "#/nowhere" });
  const refusals: readonly (readonly [string, JsonObject, string])[] = [
    ["a missing pack before the effect", { name: "missing", hooks: ["pre"] }, "no_pack"],
    ["a missing pack that would only see the output", { name: "missing", hooks: ["post"] }, "no_pack"],
    ["a name that every object has", { name: "constructor" }, "no_pack"],
    ["options for a pack that takes none", { name: "plain", options: { mode: "deny" } }, "pack_options_invalid"],
    ["an unknown mode", { name: "strict", options: { mode: "ignore" } }, "pack_options_invalid"],
    ["an unknown option", { name: "strict", options: { moed: "deny" } }, "pack_options_invalid"],
    [
      "a bad option on the output's side",
      { name: "strict", hooks: ["post"], options: { mode: 1 } },
      "pack_options_invalid",
    ],
    ["a pack whose schema cannot be read", { name: "broken", options: { a: 1 } }, "pack_options_invalid"],
  ];
  for (const [title, pack, reason] of refusals) {
    await t.test(`${title} is refused with ${reason}`, async (t) => {
      const before = sink.calls.length;
      const runUid = await rig.submit({ steps: [{ id: "a", type: "sink", inputs: {}, policy: { packs: [pack] } }] });
      t.equal((await rig.ended(runUid)).status, "failed");
      t.match((await rig.steps(runUid)).get("a"), { errorKind: "policy_error", reasons: [reason], attemptsMade: 0 });
      t.equal(sink.calls.length, before, "nothing was performed");
    });
  }
  await t.test("options that fit pass", async (t) => {
    const pack = { name: "strict", options: { mode: "deny" } };
    const runUid = await rig.submit({ steps: [{ id: "a", type: "sink", inputs: {}, policy: { packs: [pack] } }] });
    t.equal((await rig.ended(runUid)).status, "succeeded");
  });
});
