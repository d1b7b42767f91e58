import t from "tap";
import {
  compareValues,
  parseLiteral,
  RegoNumber,
  RegoObject,
  RegoSet,
  regoText,
  writeLiteral,
} from "../../src/policy/builtins/rego-value.ts";

t.test("reads literals as the module dumps them, and writes what it parses", async (t) => {
  const literals = [
    ["null", "null"],
    ["true", "true"],
    ['"a\\n\\u0001 é"', '"a\\n\\u0001 é"'],
    ["-12.50e+3", "-12.50e+3"],
    ["12345678901234567890123", "12345678901234567890123"],
    ["[1, [], {}]", "[1,[],{}]"],
    ["set()", "set()"],
    ['{1, "a", {2}}', '{1,"a",{2}}'],
    ['{[1]: {"x": null}, set(): false}', '{[1]:{"x":null},set():false}'],
  ] as const;
  for (const [read, written] of literals) t.equal(writeLiteral(parseLiteral(read)), written);
});

t.test("keeps sets, objects and numbers apart", async (t) => {
  t.same(parseLiteral("{1}"), new RegoSet([new RegoNumber(1)]));
  t.same(parseLiteral("{1: 2}"), new RegoObject([[new RegoNumber(1), new RegoNumber(2)]]));
  t.same(parseLiteral("{}"), new RegoObject([]));
});

t.test("refuses what is no literal", async (t) => {
  for (const text of ["", "{", "[1,]", "[1 2]", '{1, "a": 2}', "1 2", "nul", "set(", "'a'", '"a', "{,}", "+1", "--1"]) {
    t.throws(() => parseLiteral(text), { name: "LiteralError" }, text);
  }
});

t.test("orders values as Rego does", async (t) => {
  const ordered = [
    ...[
      "null",
      "false",
      "true",
      "-1e999999999",
      "-10",
      "-0.5",
      "0",
      "1e-400",
      "0.1",
      "1",
      "1.5",
      "2",
      "9007199254740992",
    ],
    ...["9007199254740993", "1e400", "1e999999999", '""', '"a"', '"b"', '"ﬀ"', '"😀"', "[]", "[1]", "[1, 0]", "[2]"],
    ...["{}", '{"a": 1}', '{"a": 2}', '{"b": 0}', "set()", "{1}", "{1, 3}", "{2}"],
  ].map(parseLiteral);
  for (const [index, value] of ordered.entries()) {
    t.equal(compareValues(value, value), 0, regoText(value));
    for (const later of ordered.slice(index + 1)) {
      t.ok(compareValues(value, later) < 0, `${regoText(value)} < ${regoText(later)}`);
      t.ok(compareValues(later, value) > 0, `${regoText(later)} > ${regoText(value)}`);
    }
  }
  t.equal(compareValues(parseLiteral("1.0"), parseLiteral("1")), 0);
  t.equal(compareValues(parseLiteral("{3, 1}"), parseLiteral("{1, 3}")), 0);
});

t.test("prints values as Rego does, sets in order and strings quoted as in Go", async (t) => {
  t.equal(regoText(parseLiteral('{"b", "a", 3, [2, 1]}')), '{3, "a", "b", [2, 1]}');
  t.equal(regoText(parseLiteral('{"k": "\\u007f\\n\u200b\u{e0001}é"}')), '{"k": "\\x7f\\n\\u200b\\U000e0001é"}');
});
