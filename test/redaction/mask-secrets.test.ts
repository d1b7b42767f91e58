/** Secrets masked in what a tool answers: in every spelling that is looked for, and nothing that is not one. */
import { createHash, randomBytes } from "node:crypto";
import t from "tap";
import type { JsonValue } from "../../src/core/json.ts";
import { makeSecretMask } from "../../src/redaction/mask-secrets.ts";

const SECRET = 's3cr3t-9f86d081/é"~\\&<end';
const percent = (text: string) => Buffer.from(text).reduce((all, byte) => `${all}%${byte.toString(16)}`, "");
const unicode = (text: string) =>
  [...text].map((one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");
const html = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&#34;");
const wrapped = (text: string, width: number) => text.replaceAll(new RegExp(`(.{${width}})`, "g"), "$1\n");
const hex = (text: string) => Buffer.from(text).toString("hex");
const json = (text: string) => JSON.stringify(text).slice(1, -1);

t.test("a secret is masked in every spelling, wherever it stands in a text", async (t) => {
  const mask = makeSecretMask([SECRET]);
  const spelled: Readonly<Record<string, string>> = {
    text: SECRET,
    "percent, as a URL has it": encodeURIComponent(SECRET),
    "percent, every byte": percent(SECRET),
    "percent in capitals": percent(SECRET).toUpperCase(),
    "percent twice": encodeURIComponent(encodeURIComponent(SECRET)),
    json: json(SECRET),
    "json in json": json(json(SECRET)),
    "json in ascii": unicode(SECRET),
    html: html(SECRET),
    hex: hex(SECRET),
    "hex in capitals": hex(SECRET).toUpperCase(),
    "hex in lines": wrapped(hex(SECRET), 20),
    "hex with colons": hex(SECRET).replaceAll(/(..)(?=.)/g, "$1:"),
    "sha-256": createHash("sha256").update(SECRET).digest("hex"),
    "sha-256 in base64": createHash("sha256").update(SECRET).digest("base64"),
    "base64 within json": json(Buffer.from(`{"a":"${SECRET}"}`).toString("base64")),
  };
  for (const [name, spelling] of Object.entries(spelled)) {
    const masked = mask(`before ${spelling} after ${spelling}`);
    t.match(masked, /^before \S*\[secret\]\S* after \S*\[secret\]\S*$/, name);
    if (!name.includes("base64")) t.equal(masked, "before [secret] after [secret]", name);
  }
  for (const offset of [0, 1, 2, 3, 4, 5])
    for (const encoding of ["base64", "base64url"] as const) {
      const inside = Buffer.from(`${"x".repeat(offset)}${SECRET}yz`).toString(encoding);
      const lines = wrapped(inside, 10);
      for (const text of [inside, lines]) {
        const rest = mask(text).replaceAll("\n", "").split("[secret]");
        t.equal(rest.length, 2, `${encoding} at ${offset}`);
        const left = Buffer.from(rest.join("")).length;
        t.ok(left <= offset * 1.5 + 6, `${encoding} at ${offset}: nothing of it is left: ${rest}`);
      }
    }
});

t.test("also in keys and numbers, at any depth; what is no text stays as it is", async (t) => {
  const mask = makeSecretMask([SECRET, "1234567890"]);
  const value = {
    [`a ${SECRET}`]: [1, null, true, { deep: [SECRET, 1_234_567_890, 123_456_789] }],
    none: "text",
    number: 0.5,
  };
  t.same(mask<JsonValue>(value), {
    "a [secret]": [1, null, true, { deep: ["[secret]", "[secret]", 123_456_789] }],
    none: "text",
    number: 0.5,
  });
});

t.test("parts that are secrets alone, and the beginning of one that was cut off, are masked too", async (t) => {
  const token = "9f86d081884c7d659a2feaa0c55ad015";
  t.equal(makeSecretMask([`Bearer ${token}`])(`got ${token}!`), "got [secret]!", "credentials without their scheme");
  const basic = `Basic ${Buffer.from("user:pass-word-1").toString("base64")}`;
  t.equal(makeSecretMask([basic])("pass-word-1 of user"), "[secret] of user", "the password of Basic");
  const lines = ["-----BEGIN KEY-----", randomBytes(30).toString("base64"), randomBytes(30).toString("base64")];
  const pem = makeSecretMask([lines.join("\n")]);
  t.equal(pem(`x ${lines[2]} y`), "x [secret] y", "one line of many");
  t.equal(pem(lines.join("\r\n")), "[secret]\r\n[secret]\r\n[secret]");
  t.equal(makeSecretMask([token])(`cut: ${token.slice(0, 8)}`), "cut: [secret]");
  t.equal(makeSecretMask([token])(`cut: ${token.slice(0, 7)}`), `cut: ${token.slice(0, 7)}`, "the control: too little");
  t.equal(makeSecretMask(["pass phrase one"])("a=pass+phrase+one&b"), "a=[secret]&b", "as a form writes it");
});

t.test("what is none is left alone, also where it looks like a spelling", async (t) => {
  const mask = makeSecretMask([SECRET]);
  for (const text of [
    "",
    "%41%42 \\u0041 &amp; ok",
    "deadbeef".repeat(100),
    SECRET.slice(1, 12),
    "\ud800 %ff %zz \\u00",
  ])
    t.equal(mask(text), text);
  const two = makeSecretMask(["aaaaaaaa", "aaaaaaaab"]);
  t.equal(two("xaaaaaaaabx"), "x[secret]x", "one within another is one mask");
  t.equal(two("aaaaaaaaaaaaaaaa"), "[secret]", "and one after the other is one");
});

t.test("a text of the largest output is masked in about the time it takes to read it", async (t) => {
  const mask = makeSecretMask([randomBytes(4096).toString("base64"), SECRET]);
  const text = `${randomBytes(3 * 2 ** 18).toString("base64")}${SECRET}%41`;
  const before = process.cpuUsage();
  const masked = mask(text);
  const { user, system } = process.cpuUsage(before);
  t.ok(masked.endsWith("[secret]%41"));
  t.ok((user + system) / 1000 < 5000, `${Math.round((user + system) / 1000)} ms for ${text.length} characters`);
  t.comment(`${Math.round((user + system) / 1000)} ms for ${text.length} characters`);
});
