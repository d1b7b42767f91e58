/**
 * Our builtins against OPA's own code: the same operands, the same answer, for tables and for random calls.
 */
import { randomBytes } from "node:crypto";
import t from "tap";
import { makeOwnBuiltins } from "../../src/policy/builtins/index.ts";
import { parseLiteral, writeLiteral } from "../../src/policy/builtins/rego-value.ts";
import { processToolchain } from "../../src/policy/pack-tools.ts";
import { makeRandom } from "./make-random.ts";

const TEXTS = [
  ...[
    "",
    "a",
    "abc",
    "aabbaacc",
    "a1b22c333",
    "héllo",
    "日本",
    "😀x",
    "😀😀a",
    "tab\there",
    'q"uote',
    "back`tick",
    "  a  b ",
  ],
  ...["\u0001\u007f", "\u200b\ufeff", "\u{e0001}", "100%", "a\nb", "\\", "aaaa", "%d", "xAxaX"],
];
const NUMBERS = [
  ...[
    "0",
    "1",
    "-1",
    "42",
    "255",
    "1.0",
    "1.5",
    "0.1",
    "2.5",
    "3.5",
    "-0.5",
    "-0",
    "1e3",
    "1e6",
    "999999.5",
    "1e21",
    "1e-7",
  ],
  ...["1234567.891", "0.000001", "99.995", "9007199254740993", "9223372036854775807", "9223372036854775808"],
  ...["-9223372036854775808", "123456789012345678901234567890", "1e400", "1.7976931348623157e308", "5e-324", "65"],
  ...["128512", "1114112", "55296"],
];
const VALUES = [
  "null",
  "true",
  '[1,"a"]',
  '{"b":1,"a":[2]}',
  '{1,2,"x"}',
  "set()",
  "{}",
  "{[1]:2}",
  '{"z","é"}',
  "{2,1.5,10,-3}",
];
const PATTERNS = [
  ...["a*", "", "a|b", "(a)(b)?", "^", "$", "\\b", "[a-z]+", "(?P<y>\\d+)", "x*?", "(?i)A", "[^a]", "é", "\\s*", "(a"],
  ...["\\pL+", ".", "(?s).", "\\x{1F600}?", "a{2,3}", "b*|c", "(?=a)", "a{1001}"],
];
// biome-ignore lint/suspicious/noTemplateCurlyInString: templates of regex.replace (Go regexp.Expand)
const TEMPLATES = ["", "$1", "${1}x", "$1x", "[$0]", "$$", "$y-${y}", "$9", "$", "${", "é$0"];
// without %p and %w, which print addresses and internals of large integers (go-format.ts)
const VERBS = [..."vvvsssdddqxXobOceEfFgGUtTz%!é"];

type Pick = <Item>(items: readonly Item[]) => Item;

const toolchain = await processToolchain().open();
const own = makeOwnBuiltins();
const seed = randomBytes(4).readUInt32BE();
const random = makeRandom(seed);
const pick: Pick = (items) => {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new Error("nothing to pick from");
  return item;
};
const chance = (share: number) => random() < share;
const text = (value: string) => JSON.stringify(value);
const list = <Item>(most: number, make: () => Item) => Array.from({ length: Math.floor(random() * (most + 1)) }, make);

/** The two answers when they differ. */
function difference(name: string, operands: readonly string[]): string | undefined {
  const ours = own.get(name)?.(operands);
  const answer = toolchain.callBuiltin(name, operands).value;
  const theirs = answer === undefined ? undefined : writeLiteral(parseLiteral(answer));
  return ours === theirs ? undefined : `${name}(${operands.join(", ")}): ours ${ours}, OPA's ${theirs}, seed ${seed}`;
}

function compareMany(count: number, call: () => readonly [name: string, ...operands: string[]]): readonly string[] {
  const differences: string[] = [];
  for (let done = 0; done < count; done += 1) {
    const [name, ...operands] = call();
    const found = difference(name, operands);
    if (found !== undefined) differences.push(found);
  }
  return differences;
}

function anyOperand(): string {
  return chance(0.4) ? text(pick(TEXTS)) : chance(0.7) ? pick(NUMBERS) : pick(VALUES);
}

function directive(): string {
  const flags = list(3, () => (chance(0.4) ? pick(["+", "-", "#", " ", "0"]) : "")).join("");
  const index = chance(0.05) ? `[${pick(["1", "2", "9", "x", ""])}]` : "";
  const width = chance(0.4) ? (chance(0.1) ? "*" : String(Math.floor(random() * 14))) : "";
  const precision = chance(0.35) ? `.${chance(0.1) ? "*" : pick(["", "0", "1", "2", "3", "7", "16", "17", "21"])}` : "";
  return `%${flags}${index}${width}${precision}${pick(VERBS)}`;
}

t.test("sprintf prints what Go prints", async (t) => {
  const format = () =>
    `${list(3, () => pick(["", "x ", " é"]) + directive()).join("")}${chance(0.05) ? pick(["%", "%-", "%.", "%[1", "%5."]) : ""}`;
  const differences = compareMany(3_000, () => ["sprintf", text(format()), `[${list(3, anyOperand).join(",")}]`]);
  t.same(differences, []);
});

t.test("sprintf, every verb with every kind of number", async (t) => {
  const formats = [..."vdsqxXobOceEfFgGUtT"].flatMap((verb) => [
    `%${verb}`,
    `%+08.3${verb}`,
    `%#-9${verb}|`,
    `% .0${verb}`,
  ]);
  const operands = [...NUMBERS, '"é`"', "null"];
  const calls = formats.flatMap((format) =>
    operands.map((operand) => ["sprintf", text(format), `[${operand}]`] as const),
  );
  t.same(
    calls.flatMap(([name, ...rest]) => difference(name, rest) ?? []),
    [],
  );
});

t.test("regular expressions match, split and replace as Go's do", async (t) => {
  const calls = [
    () => ["regex.replace", text(pick(TEXTS)), text(pick(PATTERNS)), text(pick(TEMPLATES))] as const,
    () => ["regex.split", text(pick(PATTERNS)), text(pick(TEXTS))] as const,
    () =>
      [
        "regex.find_n",
        text(pick(PATTERNS)),
        text(pick(TEXTS)),
        pick(["-1", "0", "1", "2", "1.5", "-2", '"a"']),
      ] as const,
  ];
  t.same(
    compareMany(3_000, () => pick(calls)()),
    [],
  );
});

t.test("string builtins answer as OPA's do, wrong operands included", async (t) => {
  const one = () => (chance(0.05) ? anyOperand() : text(pick([...TEXTS, "b", "aa", "😀"])));
  const many = () =>
    chance(0.4) ? one() : chance(0.5) ? `[${list(2, one).join(",")}]` : `{${[...new Set([one(), one()])].join(",")}}`;
  const calls = [
    () => ["strings.any_prefix_match", many(), many()] as const,
    () => ["strings.any_suffix_match", many(), many()] as const,
    () => ["strings.count", one(), one()] as const,
    () => ["indexof_n", one(), one()] as const,
    () => ["strings.split_n", one(), one(), pick(["-1", "0", "1", "2", "5", "1.0", "2.5", "-2"])] as const,
  ];
  t.same(
    compareMany(3_000, () => pick(calls)()),
    [],
  );
});

t.test("encodings and digests answer as OPA's do", async (t) => {
  const names = [...own.keys()].filter((name) => /^(?:base64url|hex|crypto)\./.test(name));
  t.ok(names.length >= 9);
  for (const name of names) {
    const count = name.startsWith("crypto.hmac.") ? 2 : 1;
    for (const operand of [...TEXTS.map(text), "1", "null"]) {
      t.equal(difference(name, [operand, text("key")].slice(0, count)), undefined, `${name}(${operand})`);
    }
  }
  t.equal(own.get("crypto.hmac.equal")?.(['"a"', '"a"']), "true");
});
