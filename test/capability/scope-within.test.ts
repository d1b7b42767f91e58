import fc from "fast-check";
import t from "tap";
import { constraintFaults, meetsConstraint } from "../../src/capability/constraint.ts";
import { requestDigest } from "../../src/capability/request-digest.ts";
import { demandFits } from "../../src/capability/scope.ts";
import { implies, isScopeWithin } from "../../src/capability/scope-within.ts";
import type { Constraint, Scope, ScopeDemand } from "../../src/core/capability.ts";
import type { JsonValue } from "../../src/core/json.ts";
import { SALT, scope } from "./issuer.ts";

const value = fc.constantFrom<JsonValue>(0, 1, 2, 3, "/a", "/a/b", "/a/b/c", "/c", "h", "h:1", "g:1", [1], [1, 2], [], {
  x: 1,
});
const values = fc.array(value, { minLength: 1, maxLength: 3 });
const number = fc.integer({ min: 0, max: 3 });
const simple: fc.Arbitrary<Constraint> = fc.oneof(
  value.map((exact): Constraint => ({ constraint_type: "exact", value: exact })),
  values.map((list): Constraint => ({ constraint_type: "one_of", values: list })),
  values.map((list): Constraint => ({ constraint_type: "not_one_of", values: list })),
  values.map((list): Constraint => ({ constraint_type: "subset", values: list })),
  number.map((min): Constraint => ({ constraint_type: "range", min })),
  number.map((max): Constraint => ({ constraint_type: "range", max })),
  fc.tuple(number, number).map(([min, max]): Constraint => ({ constraint_type: "range", min, max })),
  fc.constantFrom("/", "/a", "/a/b").map((root): Constraint => ({ constraint_type: "path_prefix", root })),
  fc
    .array(fc.constantFrom("h", "h:1", "g"), { maxLength: 2 })
    .map((hosts): Constraint => ({ constraint_type: "host_set", hosts })),
  value.map(
    (committed): Constraint => ({
      constraint_type: "commitment",
      sha256: requestDigest(SALT, JSON.stringify(committed)),
    }),
  ),
);
const anyConstraint: fc.Arbitrary<Constraint> = fc.letrec<{ constraint: Constraint }>((tie) => ({
  constraint: fc.oneof(
    { maxDepth: 2, depthIdentifier: "c" },
    simple,
    fc.record({
      constraint_type: fc.constant("all" as const),
      constraints: fc.array(tie("constraint"), { minLength: 1, maxLength: 2 }),
    }),
    fc.record({
      constraint_type: fc.constant("any" as const),
      constraints: fc.array(tie("constraint"), { minLength: 1, maxLength: 2 }),
    }),
  ),
})).constraint;

t.test("the arbitrary constraints are ones that tokens may carry", async () => {
  fc.assert(fc.property(anyConstraint, (constraint) => constraintFaults(constraint).length === 0));
});

t.test("a constraint implies another only if every value that meets it meets the other", async () => {
  fc.assert(
    fc.property(
      anyConstraint,
      anyConstraint,
      fc.array(value, { minLength: 8, maxLength: 8 }),
      (narrow, wide, probes) => {
        if (!implies(narrow, wide, SALT)) return true;
        return probes.every((probe) => !meetsConstraint(narrow, probe, SALT) || meetsConstraint(wide, probe, SALT));
      },
    ),
    { numRuns: 5_000 },
  );
});

t.test("every constraint implies itself, and what narrows it by `all`", async () => {
  fc.assert(
    fc.property(anyConstraint, anyConstraint, (one, other) => {
      const both: Constraint = { constraint_type: "all", constraints: [other, one] };
      const either: Constraint = { constraint_type: "any", constraints: [other, one] };
      return implies(one, one, SALT) && implies(both, one, SALT) && implies(one, either, SALT);
    }),
  );
});

t.test("the rules between constraints, each with one step too far", async (t) => {
  const commitment: Constraint = { constraint_type: "commitment", sha256: requestDigest(SALT, "1") };
  const digest: Constraint = { constraint_type: "schema_digest", sha256: requestDigest(SALT, "1") };
  const rows: readonly (readonly [narrow: Constraint, wide: Constraint, isWithin: boolean])[] = [
    [{ constraint_type: "exact", value: 1 }, { constraint_type: "range", min: 0 }, true],
    [{ constraint_type: "exact", value: -1 }, { constraint_type: "range", min: 0 }, false],
    [{ constraint_type: "exact", value: 1 }, commitment, true],
    [{ constraint_type: "exact", value: 2 }, commitment, false],
    [commitment, { constraint_type: "exact", value: 1 }, false],
    [digest, digest, true],
    [digest, commitment, false],
    [{ constraint_type: "one_of", values: ["/a", "/a/b"] }, { constraint_type: "path_prefix", root: "/a" }, true],
    [{ constraint_type: "one_of", values: ["/a", "/b"] }, { constraint_type: "path_prefix", root: "/a" }, false],
    [{ constraint_type: "range", min: 1, max: 2 }, { constraint_type: "range", min: 1 }, true],
    [{ constraint_type: "range", min: 1 }, { constraint_type: "range", min: 1, max: 2 }, false],
    [{ constraint_type: "range", max: 2 }, { constraint_type: "range", min: 1 }, false],
    [{ constraint_type: "path_prefix", root: "/a/b" }, { constraint_type: "path_prefix", root: "/a" }, true],
    [{ constraint_type: "path_prefix", root: "/ab" }, { constraint_type: "path_prefix", root: "/a" }, false],
    [{ constraint_type: "host_set", hosts: ["h:1"] }, { constraint_type: "host_set", hosts: ["h"] }, true],
    [{ constraint_type: "host_set", hosts: ["h"] }, { constraint_type: "host_set", hosts: ["h:1"] }, false],
    [{ constraint_type: "subset", values: [1] }, { constraint_type: "subset", values: [1, 2] }, true],
    [{ constraint_type: "subset", values: [3] }, { constraint_type: "subset", values: [1, 2] }, false],
    [{ constraint_type: "not_one_of", values: [1, 2] }, { constraint_type: "not_one_of", values: [1] }, true],
    [{ constraint_type: "not_one_of", values: [2] }, { constraint_type: "not_one_of", values: [1] }, false],
    [{ constraint_type: "not_one_of", values: [2] }, { constraint_type: "range", min: 0 }, false],
  ];
  for (const [narrow, wide, isWithin] of rows)
    t.equal(implies(narrow, wide, SALT), isWithin, JSON.stringify([narrow, wide]));
});

t.test("a scope is within another only if every demand that fits it fits the other", async () => {
  const count = fc.integer({ min: 0, max: 3 });
  const limits = fc.record({ calls: count, tokens: count, wall_ms: count }, { requiredKeys: ["calls"] });
  const list = (...items: readonly string[]) => fc.subarray([...items]);
  const tool = fc.dictionary(fc.constantFrom("x", "y"), simple, { maxKeys: 2, noNullPrototype: true });
  const anyScope: fc.Arbitrary<Scope> = fc.record({
    type: fc.constant(scope.type),
    actions: list("invoke", "read"),
    locations: list("a", "b"),
    tools: fc.dictionary(fc.constantFrom("t", "u"), tool, { maxKeys: 2, noNullPrototype: true }),
    limits,
    egress: list("h", "h:1", "g:1"),
    data: list("internal", "secret"),
  });
  const demands: fc.Arbitrary<ScopeDemand> = fc.record({
    action: fc.constantFrom("invoke", "read"),
    location: fc.constantFrom("a", "b"),
    tool: fc.constantFrom("t", "u"),
    arguments: fc.dictionary(fc.constantFrom("x", "y"), value, { maxKeys: 2, noNullPrototype: true }),
    limits,
    egress: list("h", "h:1", "g:1"),
    data: list("internal", "secret"),
  });
  fc.assert(
    fc.property(anyScope, anyScope, fc.array(demands, { minLength: 5, maxLength: 5 }), (one, other, probes) => {
      // half of the pairs are made comparable, since two random scopes seldom are
      const inner: Scope = {
        ...one,
        tools: other.tools,
        limits: { ...other.limits, calls: Math.min(one.limits.calls, other.limits.calls) },
      };
      return [one, inner].every(
        (narrow) =>
          !isScopeWithin(narrow, other, SALT) ||
          probes.every(
            (probe) => demandFits(narrow, probe, SALT).length > 0 || demandFits(other, probe, SALT).length === 0,
          ),
      );
    }),
    { numRuns: 1_500 },
  );
  fc.assert(fc.property(anyScope, (one) => isScopeWithin(one, one, SALT)));
});

t.test("one step wider in any dimension is not within", async (t) => {
  const [to, priority] = [scope.tools["mail.send"]?.["to"], scope.tools["mail.send"]?.["priority"]];
  if (to === undefined || priority === undefined) throw new Error("the test's scope has both arguments");
  const { tokens: _tokens, ...fewerLimits } = scope.limits;
  const wider: Readonly<Record<string, Partial<Scope>>> = {
    "an action more": { actions: [...scope.actions, "delete"] },
    "a location more": { locations: [...scope.locations, "adapter:fs"] },
    "a tool more": { tools: { ...scope.tools, "mail.delete": {} } },
    "an inherited tool": { tools: { constructor: {} } },
    "an argument more": { tools: { "mail.send": { to, priority, bcc: to } } },
    "an argument less": { tools: { "mail.send": { to } } },
    "an argument of another name": { tools: { "mail.send": { to, subject: priority } } },
    "a wider argument": { tools: { "mail.send": { to, priority: { constraint_type: "range", min: 0 } } } },
    "a larger limit": { limits: { ...scope.limits, calls: 3 } },
    "a limit left out": { limits: fewerLimits },
    "a host more": { egress: [...scope.egress, "evil.example"] },
    "every port of a host": { egress: ["smtp.example.com"] },
    "a label more": { data: ["internal", "secret"] },
  };
  for (const [why, change] of Object.entries(wider)) t.notOk(isScopeWithin({ ...scope, ...change }, scope, SALT), why);
  t.notOk(isScopeWithin(scope, { ...scope, limits: fewerLimits }, SALT), "a limit added");
  t.ok(
    isScopeWithin(
      { ...scope, tools: {}, actions: [], locations: [], egress: [], data: [], limits: { ...scope.limits, calls: 0 } },
      scope,
      SALT,
    ),
    "less of everything",
  );
});
