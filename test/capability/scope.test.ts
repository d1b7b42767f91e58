import fc from "fast-check";
import t from "tap";
import { narrowScope, scopeOf } from "../../src/capability/narrow-scope.ts";
import { readScope } from "../../src/capability/read-scope.ts";
import { demandFits } from "../../src/capability/scope.ts";
import type { Scope, ScopeDemand } from "../../src/core/capability.ts";
import type { Obligation } from "../../src/core/decision.ts";
import { anyJson } from "../core/arbitrary-json.ts";
import { demand, SALT, scope } from "./issuer.ts";

const limit = (properties: Obligation["properties"]): Obligation => ({ id: "o", type: "limit", properties });
const egress = (...hosts: readonly string[]): Obligation => ({ id: "o", type: "egress", properties: { hosts } });

const count = fc.nat({ max: 20 });
const host = fc.constantFrom("a.example", "a.example:443", "b.example", "b.example:1");
const limits = fc.record(
  { calls: count, tokens: count, usd_micros: count, wall_ms: count, bytes_out: count },
  { requiredKeys: ["calls"] },
);
const anyDemand: fc.Arbitrary<ScopeDemand> = fc.record({
  action: fc.constantFrom("invoke", "read"),
  location: fc.constantFrom("adapter:mail", "adapter:fs"),
  tool: fc.constantFrom("mail.send", "fs.read"),
  arguments: fc.dictionary(fc.constantFrom("a", "b", "c"), anyJson, { noNullPrototype: true }),
  limits,
  egress: fc.array(host, { maxLength: 3 }),
  data: fc.array(fc.constantFrom("internal", "secret"), { maxLength: 2 }),
});
const anyObligation: fc.Arbitrary<Obligation> = fc.oneof(
  fc.record({ calls: count, tokens: count, bytes_out: count }, { requiredKeys: [] }).map(limit),
  fc.array(host, { maxLength: 3 }).map((hosts) => egress(...hosts)),
  fc.constant<Obligation>({ id: "o", type: "notify", properties: { sink: "ops" } }),
);

t.test(
  "the scope of a demand covers it, says nothing about its arguments, and is one that tokens may carry",
  async (t) => {
    t.strictSame(demandFits(scope, demand, SALT), []);
    t.strictSame(readScope(scope), { ok: true, scope });
    t.notMatch(JSON.stringify(scope), /ops@example\.com/, "digests only, never payload (design §5)");
    t.not(
      JSON.stringify(scopeOf(demand, Buffer.alloc(32, 8))),
      JSON.stringify(scope),
      "another attempt, another salt, another text",
    );
  },
);

t.test("any demand fits its own scope, and another demand never fits in more than it has in common", async () => {
  fc.assert(
    fc.property(anyDemand, anyDemand, (one, other) => {
      const fitsItself = demandFits(scopeOf(one, SALT), one, SALT).length === 0;
      const fitsOther = demandFits(scopeOf(one, SALT), other, SALT).length === 0;
      const isSameCall = one.action === other.action && one.location === other.location && one.tool === other.tool;
      return fitsItself && (!fitsOther || isSameCall);
    }),
    { numRuns: 300 },
  );
});

t.test("narrowing never widens: what fits afterwards fitted before, and repeating it changes nothing", async () => {
  fc.assert(
    fc.property(anyDemand, fc.array(anyObligation, { maxLength: 4 }), anyDemand, (granted, obligations, wanted) => {
      const before = scopeOf(granted, SALT);
      const after = narrowScope(before, obligations, { tokens: 10 });
      const again = narrowScope(after, obligations, { tokens: 10 });
      // a limit that only the obligation has is a new ceiling, not a wider one: compare without it
      const known = Object.fromEntries(Object.entries(wanted.limits).filter(([name]) => name in before.limits));
      const probe = { ...wanted, limits: { ...known, calls: wanted.limits.calls } };
      const fitsAfter = demandFits(after, probe, SALT).length === 0;
      return (
        (!fitsAfter || demandFits(before, probe, SALT).length === 0) && JSON.stringify(again) === JSON.stringify(after)
      );
    }),
    { numRuns: 500 },
  );
});

t.test("limits become the smallest of demand, budget and obligations; hosts what all allow", async (t) => {
  const narrowed = narrowScope(
    scope,
    [
      limit({ calls: 1, wall_ms: 60_000 }),
      limit({ wall_ms: 10_000, tokens: 80 }),
      egress("smtp.example.com", "x.example"),
      { id: "r", type: "retain", properties: { days: 1 } },
    ],
    { tokens: 90, usd_micros: 1_000 },
  );
  t.strictSame(narrowed.limits, { calls: 1, tokens: 80, usd_micros: 1_000, wall_ms: 10_000, bytes_out: 65_536 });
  t.strictSame(narrowed.egress, ["smtp.example.com:465"]);
  t.strictSame(narrowed.tools, scope.tools);
  t.strictSame(
    narrowScope({ ...scope, limits: { calls: 1 } }, [limit({ bytes_out: 5 })], { tokens: 7 }).limits,
    { calls: 1, tokens: 7, bytes_out: 5 },
    "a ceiling that was not there is added",
  );
  t.equal(narrowScope(scope, [], undefined), scope, "nothing to narrow is the same scope");
  t.strictSame(narrowScope(scope, [egress()], undefined).egress, [], "no host is no egress at all");
});

t.test("an obligation that cannot be read refuses, since a limit misspelt must not read as no limit", async (t) => {
  const refused: readonly Obligation[] = [
    limit({ call: 1 }),
    limit({ calls: "1" }),
    limit({ calls: -1 }),
    limit({ calls: 0.5 }),
    limit({ calls: null }),
    { id: "o", type: "egress", properties: {} },
    { id: "o", type: "egress", properties: { hosts: "a.example" } },
    { id: "o", type: "egress", properties: { hosts: ["*.example"] } },
    { id: "o", type: "egress", properties: { hosts: [""] } },
    { id: "o", type: "egress", properties: { hosts: ["a.example"], ports: [443] } },
  ];
  for (const obligation of refused)
    t.throws(
      () => narrowScope(scope, [obligation], undefined),
      { code: "SCOPE_INVALID", detail: { obligation: "o" } },
      JSON.stringify(obligation),
    );
});

t.test("a scope of any other form is not read", async (t) => {
  const refused: Readonly<Record<string, unknown>> = {
    "another type": { ...scope, type: "x" },
    "actions as text": { ...scope, actions: "invoke" },
    "an empty action": { ...scope, actions: [""] },
    "tools as list": { ...scope, tools: [] },
    "a tool as list": { ...scope, tools: { "mail.send": [] } },
    "no calls": { ...scope, limits: { tokens: 1 } },
    "an unknown limit": { ...scope, limits: { calls: 1, cpu: 1 } },
    "calls as fraction": { ...scope, limits: { calls: 0.5 } },
    "egress missing": { ...scope, egress: undefined },
    "an unknown field": { ...scope, effect: "none" },
    "a list": [scope],
    nothing: undefined,
  };
  for (const [why, value] of Object.entries(refused))
    t.strictSame(readScope(value), { ok: false, reasons: ["scope_malformed"] }, why);
});

t.test("a tool without constraints takes no argument at all", async (t) => {
  const bare: Scope = { ...scope, tools: { "mail.send": {} } };
  t.strictSame(demandFits(bare, { ...demand, arguments: {} }, SALT), []);
  t.strictSame(demandFits(bare, demand, SALT), ["argument_unnamed"]);
});
