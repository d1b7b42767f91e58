/** Options stand unsealed in what is stored: the pack must take them, and none may be a payload. */
import t from "tap";
import type { JsonObject, JsonValue } from "../../src/core/json.ts";
import { type FindPackUseFault, makeFindPackUseFault } from "../../src/policy/pack-options.ts";
import { packOf } from "../acceptance/rig.ts";

function findFault(options?: JsonObject): FindPackUseFault {
  const pack = packOf("p", () => ({ effect: "allow" }));
  const manifest = options === undefined ? pack.manifest : { ...pack.manifest, options };
  return makeFindPackUseFault(new Map([["p", { ...pack, manifest }]]));
}

t.test("a pack takes the options that its manifest declares", async (t) => {
  const fault = findFault({
    type: "object",
    additionalProperties: false,
    properties: { mode: { enum: ["deny", "redact"] }, hosts: { type: "array", items: { type: "string" } } },
  });
  t.equal(fault("p", {}), undefined);
  t.equal(fault("p", { mode: "deny", hosts: ["api.example:8443"] }), undefined);
  for (const options of [{ mode: "ignore" }, { moed: "deny" }, { mode: 1 }, { hosts: "api.example" }]) {
    t.equal(fault("p", options), "pack_options_invalid", JSON.stringify(options));
  }
  t.equal(fault("q", {}), "no_pack");
  t.equal(fault("constructor", {}), "no_pack");
});

t.test("a pack without a schema takes none, and a schema that cannot be read lets nothing pass", async (t) => {
  t.equal(findFault()("p", {}), undefined);
  t.equal(findFault()("p", { mode: "deny" }), "pack_options_invalid");
  t.equal(findFault({ type: "object", properties: 7, $ref: "#/nowhere" })("p", { a: 1 }), "pack_options_invalid");
});

t.test("what could be a payload is refused, whatever the manifest declares", async (t) => {
  const fault = findFault({ type: "object" });
  const taken: readonly JsonValue[] = [
    7,
    true,
    "strict",
    "crm.find*",
    "application/json",
    "10.0.0.7:8443",
    ["a", 1],
    { a: "b" },
  ];
  for (const value of taken) t.equal(fault("p", { value }), undefined, JSON.stringify(value));
  const refused: readonly JsonValue[] = [
    "a sentence with blanks",
    "ana@example.es",
    "4111111111111111",
    "card-4111111111111111",
    "naïve",
    "line\nbreak",
    "",
    null,
    "x".repeat(129),
    ["fine", "not fine"],
    [["a", ["too deep"]]],
    { "not a name": 1 },
    Array(257).fill(1),
  ];
  for (const value of refused)
    t.equal(fault("p", { value }), "pack_options_invalid", JSON.stringify(value).slice(0, 40));
  t.equal(fault("p", { "ana@example.es": 1 }), "pack_options_invalid", "a name of an option");
});
