import t from "tap";
import { readDecision } from "../../src/policy/read-decision.ts";

const REASONS = { "card.found": "a card number", "host.unknown": "a host that is not listed" };

function read(result: unknown): ReturnType<typeof readDecision> {
  return readDecision(Buffer.from(JSON.stringify([{ result }])), REASONS);
}

t.test("reads a decision with everything in it", async (t) => {
  const patches = [
    { op: "replace", path: "/inputs/a~1b/0", value: null },
    { op: "move", from: "/inputs/x", path: "/inputs/y" },
    { op: "remove", path: "/inputs/z" },
    { op: "test", path: "", value: {} },
  ];
  const obligations = [
    { id: "o1", type: "notify", properties: { sink: "security" } },
    { id: "o2", type: "limit", properties: { calls: 1, tokens: 10, usd_micros: 5, wall_ms: 1000, bytes_out: 0 } },
    { id: "o3", type: "egress", properties: { hosts: ["api.example"] } },
    { id: "o4", type: "retain", properties: { days: 30 } },
    { id: "o5", type: "mask_output", properties: { paths: ["/output/card"] } },
  ];
  t.same(read({ effect: "redact", reasons: ["card.found"], patches, obligations }), {
    ok: true,
    decision: { effect: "redact", reasons: ["card.found"], patches, obligations },
    undeclared: [],
  });
});

t.test("reads the shortest decisions", async (t) => {
  t.match(read({ effect: "allow" }), {
    ok: true,
    decision: { effect: "allow", reasons: [], patches: [], obligations: [] },
  });
  t.match(read({ effect: "deny", reason: "host.unknown" }), { ok: true, decision: { reasons: ["host.unknown"] } });
  t.match(read({ effect: "redact" }), { ok: true }, "a redact that changes nothing more is the stable form's");
  const approval = { id: "a", type: "require_approval", properties: { role: "approver", ttl_seconds: 60 } };
  t.match(read({ effect: "hold", obligations: [approval] }), { ok: true, decision: { obligations: [approval] } });
});

t.test("names reasons that the manifest does not declare, and records none of their text", async (t) => {
  t.same(read({ effect: "deny", reasons: ["card.found", "free text", "other", "card.found", "toString"] }), {
    ok: true,
    decision: { effect: "deny", reasons: ["card.found", "undeclared_reason"], patches: [], obligations: [] },
    undeclared: ["free text", "other", "toString"],
  });
});

t.test("drops the patches of a deny, which nobody will apply", async (t) => {
  const patches = [{ op: "remove", path: "/inputs/a" }];
  t.match(read({ effect: "deny", patches }), { ok: true, decision: { effect: "deny", patches: [] } });
});

t.test("refuses what is not exactly a decision", async (t) => {
  const patch = { op: "remove", path: "/inputs/a" };
  const redact = (over: object) => ({ effect: "redact", patches: [{ ...patch, ...over }] });
  const oblige = (obligation: unknown) => ({ effect: "allow", obligations: [obligation] });
  const refusals: readonly { readonly why: string; readonly result: unknown; readonly fault?: string }[] = [
    { why: "a text", result: "allow" },
    { why: "a list", result: [{ effect: "allow" }] },
    { why: "null", result: null },
    { why: "true, as OPA policies say", result: true },
    { why: "no effect", result: { reasons: [] } },
    { why: "an unknown effect", result: { effect: "permit" } },
    { why: "an effect in capitals", result: { effect: "Allow" } },
    { why: "an unknown field", result: { effect: "allow", allow: true } },
    { why: "reason and reasons", result: { effect: "deny", reason: "a", reasons: ["b"] } },
    { why: "reasons that are no list", result: { effect: "deny", reasons: "card.found" } },
    { why: "a reason that is no text", result: { effect: "deny", reasons: [1] } },
    { why: "an empty reason", result: { effect: "deny", reasons: [""] } },
    { why: "patches of an allow", result: { effect: "allow", patches: [patch] } },
    { why: "patches of a hold", result: { effect: "hold", patches: [patch] } },
    { why: "an unknown operation", result: redact({ op: "merge" }) },
    { why: "a path without a slash", result: redact({ path: "inputs" }) },
    { why: "a bad escape in a path", result: redact({ path: "/a~2" }) },
    { why: "an unknown field of a patch", result: redact({ note: "x" }) },
    { why: "a value where none belongs", result: redact({ value: 1 }) },
    { why: "a replace without a value", result: redact({ op: "replace" }) },
    { why: "a move without from", result: redact({ op: "move" }) },
    { why: "a from where none belongs", result: redact({ from: "/x" }) },
    { why: "a from that is no pointer", result: redact({ op: "copy", from: "x" }) },
    { why: "too many reasons", result: { effect: "deny", reasons: Array(1_001).fill("card.found") } },
    { why: "an obligation that is no object", result: oblige("notify") },
    { why: "an obligation without id", result: oblige({ type: "notify", properties: { sink: "s" } }) },
    { why: "an obligation without properties", result: oblige({ id: "o", type: "notify" }) },
    {
      why: "an unknown field of an obligation",
      result: oblige({ id: "o", type: "notify", properties: { sink: "s" }, now: 1 }),
    },
    {
      why: "an unknown obligation",
      result: oblige({ id: "o", type: "page", properties: {} }),
      fault: "unknown_obligation",
    },
    {
      why: "an obligation named like a method",
      result: oblige({ id: "o", type: "toString", properties: {} }),
      fault: "unknown_obligation",
    },
    ...["chief", "reader", "submitter", "Approver", "approver,operator", " approver"].map((role) => ({
      why: `an approval by ${JSON.stringify(role)}`,
      result: { effect: "hold", obligations: [{ id: "o", type: "require_approval", properties: { role } }] },
      fault: "unknown_approver_role" as const,
    })),
    { why: "a limit that is misspelt", result: oblige({ id: "o", type: "limit", properties: { usd: 5 } }) },
    { why: "a limit below zero", result: oblige({ id: "o", type: "limit", properties: { tokens: -1 } }) },
    { why: "a limit that is a fraction", result: oblige({ id: "o", type: "limit", properties: { tokens: 0.5 } }) },
    { why: "egress without hosts", result: oblige({ id: "o", type: "egress", properties: {} }) },
    { why: "a host that is no text", result: oblige({ id: "o", type: "egress", properties: { hosts: [1] } }) },
    {
      why: "a masked path that is none",
      result: oblige({ id: "o", type: "mask_output", properties: { paths: ["x"] } }),
    },
    { why: "an approval demanded of an allow", result: oblige({ id: "o", type: "require_approval", properties: {} }) },
  ];
  for (const { why, result, fault } of refusals) t.same(read(result), { ok: false, fault: fault ?? "malformed" }, why);
});

t.test("refuses result sets that are none, or more than one", async (t) => {
  const texts = [
    { text: "[]", fault: "undefined" },
    { text: '[{"result":{"effect":"allow"}},{"result":{"effect":"deny"}}]', fault: "several_results" },
    { text: "{}", fault: "malformed" },
    { text: "[{}]", fault: "malformed" },
    { text: "", fault: "malformed" },
    { text: '[{"result":{"effect":"deny","effect":"allow"}}]', fault: "malformed" },
    { text: '[{"result":{"effect":"deny","reasons":["\\ud800"]}}]', fault: "malformed" },
    { text: '[{"result":{"effect":"allow","patches":[9007199254740993]}}]', fault: "not_exact" },
    { text: '[{"result":{"effect":"allow","patches":[1e400]}}]', fault: "not_exact" },
  ];
  for (const { text, fault } of texts) t.same(readDecision(Buffer.from(text), {}), { ok: false, fault }, text);
});
