import t from "tap";
import { readPackManifest, readSourceManifest } from "../../src/policy/manifest.ts";

const SOURCE = {
  name: "card_guard",
  version: "1.2.3-rc.1",
  title: "Cards",
  entrypoint: "stepgate/card_guard/decision",
  reasons: { "card.found": "a card number" },
  requires: ["lib"],
  boundaries: ["ingress_tool"],
  options: { type: "object" },
  max_match_bytes: 40,
};
const { requires: _, ...described } = SOURCE;
const BUILT = { ...described, sources_digest: "a".repeat(64), wasm_digest: "b".repeat(64), builtins: ["sprintf"] };

t.test("reads manifests of both kinds, whole", async (t) => {
  t.same(readSourceManifest(encode(SOURCE)), SOURCE);
  t.same(readPackManifest(encode(BUILT)), BUILT);
});

t.test("refuses a manifest that is not exactly one, and names the field", async (t) => {
  const refusals = [
    { why: "a name in capitals", change: { name: "Guard" }, field: "/name" },
    { why: "a version of two numbers", change: { version: "1.0" }, field: "/version" },
    { why: "a version with a leading zero", change: { version: "01.0.0" }, field: "/version" },
    { why: "an entrypoint of another rule", change: { entrypoint: "stepgate/guard/allow" }, field: "/entrypoint" },
    { why: "an entrypoint with dots", change: { entrypoint: "stepgate.guard/decision" }, field: "/entrypoint" },
    { why: "a reason in free text", change: { reasons: { "Card found": "x" } }, field: "/reasons" },
    { why: "a reason without text", change: { reasons: { card: 1 } }, field: "/reasons/card" },
    { why: "an unknown boundary", change: { boundaries: ["egress"] }, field: "/boundaries/0" },
    { why: "a window of no bytes", change: { max_match_bytes: 0 }, field: "/max_match_bytes" },
    { why: "a path as a required pack", change: { requires: ["../lib"] }, field: "/requires/0" },
    { why: "an unknown field", change: { permissions: [] }, field: "/permissions" },
    { why: "a missing title", change: { title: undefined }, field: "" },
  ];
  for (const { why, change, field } of refusals) {
    const refused = { code: "PACK_MANIFEST_INVALID", detail: { field: new RegExp(`^${field}`) } };
    t.throws(() => readSourceManifest(encode({ ...SOURCE, ...change })), refused, why);
  }
  t.throws(() => readSourceManifest(Buffer.from('{"name":"a","name":"b"}')), { code: "PACK_MANIFEST_INVALID" });
  t.throws(() => readPackManifest(encode({ ...BUILT, wasm_digest: "B".repeat(64) })), {
    code: "PACK_MANIFEST_INVALID",
  });
  t.throws(
    () => readPackManifest(encode(SOURCE)),
    { code: "PACK_MANIFEST_INVALID" },
    "a source manifest is no built one",
  );
});

function encode(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}
