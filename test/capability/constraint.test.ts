import t from "tap";
import { constraintFaults, meetsConstraint } from "../../src/capability/constraint.ts";
import { requestDigest } from "../../src/capability/request-digest.ts";
import { canonicalDigest } from "../../src/core/canonical-json.ts";
import type { Constraint } from "../../src/core/capability.ts";
import type { JsonValue } from "../../src/core/json.ts";
import { SALT } from "./issuer.ts";

const schema = { type: "object", properties: { to: { type: "string" } } };

const rows: readonly (readonly [constraint: Constraint, met: readonly JsonValue[], broken: readonly JsonValue[]])[] = [
  [{ constraint_type: "exact", value: { a: [1] } }, [{ a: [1] }], [{ a: [2] }, { a: [1], b: 1 }, "x", null]],
  [{ constraint_type: "one_of", values: ["a", 1, null] }, ["a", 1, null], ["A", "1", 0, false, ["a"]]],
  [{ constraint_type: "not_one_of", values: ["a", { x: 1 }] }, ["A", 1, {}], ["a", { x: 1 }]],
  [{ constraint_type: "range", min: 1, max: 3 }, [1, 2.5, 3], [0, 3.1, "2", null, [2], true]],
  [{ constraint_type: "range", min: 1 }, [1, 1e300], [0, -1]],
  [{ constraint_type: "range", max: 0 }, [0, -5], [1]],
  [
    { constraint_type: "path_prefix", root: "/data/q3" },
    ["/data/q3", "/data/q3/a", "/data/q3/a/..b"],
    [
      "/data/q33",
      "/data",
      "/data/q3/",
      "/data/q3/../q4",
      "/data/q3/./a",
      "/data/q3//a",
      "data/q3/a",
      "/data/q3/a\0",
      "/data/q3\\..\\x",
      "",
      1,
    ],
  ],
  [{ constraint_type: "path_prefix", root: "/" }, ["/", "/etc/passwd"], ["etc", "/a/../b", ""]],
  [
    { constraint_type: "host_set", hosts: ["api.example", "b.example:8443", "[::1]:443"] },
    ["api.example", "API.example", "api.example:443", "b.example:8443", "[::1]:443"],
    [
      "b.example",
      "b.example:443",
      "x.api.example",
      "api.example.",
      "https://api.example",
      "api.example@evil",
      "[::1]",
      1,
    ],
  ],
  [{ constraint_type: "subset", values: [1, { b: 2, a: 1 }] }, [[], [1], [{ a: 1, b: 2 }, 1, 1]], [[2], 1, [[1]], {}]],
  [
    { constraint_type: "schema_digest", sha256: canonicalDigest(schema) },
    [schema, { ...schema }],
    [{}, "x", canonicalDigest(schema)],
  ],
  [
    { constraint_type: "commitment", sha256: requestDigest(SALT, '{"a":1,"b":"x"}') },
    [{ b: "x", a: 1 }],
    [{ a: 1 }, '{"a":1,"b":"x"}'],
  ],
  [
    {
      constraint_type: "all",
      constraints: [
        { constraint_type: "range", min: 0 },
        { constraint_type: "not_one_of", values: [7] },
      ],
    },
    [0, 8],
    [-1, 7],
  ],
  [
    {
      constraint_type: "any",
      constraints: [
        { constraint_type: "exact", value: "x" },
        { constraint_type: "range", min: 5 },
      ],
    },
    ["x", 5],
    ["y", 4],
  ],
];

t.test("each type of constraint takes what it names and refuses the rest", async (t) => {
  for (const [constraint, met, broken] of rows) {
    t.strictSame(constraintFaults(constraint), [], `${constraint.constraint_type} is well formed`);
    for (const value of met)
      t.ok(meetsConstraint(constraint, value, SALT), `${constraint.constraint_type} takes ${JSON.stringify(value)}`);
    for (const value of broken)
      t.notOk(
        meetsConstraint(constraint, value, SALT),
        `${constraint.constraint_type} refuses ${JSON.stringify(value)}`,
      );
  }
});

t.test("a commitment under another salt, or a salt of another length, is never met", async (t) => {
  const constraint: Constraint = { constraint_type: "commitment", sha256: requestDigest(SALT, '"x"') };
  t.ok(meetsConstraint(constraint, "x", SALT));
  t.notOk(meetsConstraint(constraint, "x", Buffer.alloc(32, 8)));
  t.notOk(meetsConstraint(constraint, "x", SALT.subarray(1)));
});

t.test("an unknown constraint, or a known one of another form, is refused by name", async (t) => {
  const refused: readonly (readonly [constraint: unknown, fault: string])[] = [
    [{ constraint_type: "regex", pattern: ".*" }, "constraint_unknown"],
    [{ constraint_type: "toString" }, "constraint_unknown"],
    [{ constraint_type: "Exact", value: 1 }, "constraint_unknown"],
    [{ constraint_type: "" }, "scope_malformed"],
    [{}, "scope_malformed"],
    [null, "scope_malformed"],
    ["exact", "scope_malformed"],
    [[], "scope_malformed"],
    [{ constraint_type: ["exact"], value: 1 }, "scope_malformed"],
    [{ constraint_type: "exact" }, "scope_malformed"],
    [{ constraint_type: "exact", value: 1, note: "x" }, "scope_malformed"],
    [{ constraint_type: "one_of", values: [] }, "scope_malformed"],
    [{ constraint_type: "one_of", values: "abc" }, "scope_malformed"],
    [{ constraint_type: "not_one_of", values: [] }, "scope_malformed"],
    [{ constraint_type: "range" }, "scope_malformed"],
    [{ constraint_type: "range", min: "1" }, "scope_malformed"],
    [{ constraint_type: "range", min: 0.5 }, "scope_malformed"],
    [{ constraint_type: "path_prefix", root: "data" }, "scope_malformed"],
    [{ constraint_type: "path_prefix", root: "/data/" }, "scope_malformed"],
    [{ constraint_type: "path_prefix", root: "/data/../etc" }, "scope_malformed"],
    [{ constraint_type: "host_set", hosts: ["*.example"] }, "scope_malformed"],
    [{ constraint_type: "host_set", hosts: ["https://a.example"] }, "scope_malformed"],
    [{ constraint_type: "host_set", hosts: "a.example" }, "scope_malformed"],
    [{ constraint_type: "subset", values: {} }, "scope_malformed"],
    [{ constraint_type: "schema_digest", sha256: "A".repeat(64) }, "scope_malformed"],
    [{ constraint_type: "commitment", sha256: "a".repeat(63) }, "scope_malformed"],
    [{ constraint_type: "all", constraints: [] }, "scope_malformed"],
    [{ constraint_type: "any", constraints: [] }, "scope_malformed"],
    [
      { constraint_type: "any", constraints: [{ constraint_type: "exact", value: 1 }, { constraint_type: "cel" }] },
      "constraint_unknown",
    ],
    [{ constraint_type: "all", constraints: [{ constraint_type: "any", constraints: [{}] }] }, "scope_malformed"],
  ];
  for (const [constraint, fault] of refused)
    t.strictSame(constraintFaults(constraint), [fault], JSON.stringify(constraint));
});

t.test("a long list against a long list stays linear", async (t) => {
  const values = Array.from({ length: 1_000 }, (_, index) => index);
  const before = process.cpuUsage();
  t.ok(
    meetsConstraint(
      { constraint_type: "subset", values },
      Array.from({ length: 100_000 }, (_, index) => index % 1_000),
      SALT,
    ),
  );
  t.ok(process.cpuUsage(before).user < 1_000_000, "pairwise it would be a hundred million comparisons");
});
