/** RFC 8785 against the vectors of its author (SOURCE.txt). */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import t from "tap";
import { canonicalJson, sha256Hex } from "../../../src/core/canonical-json.ts";
import { parseJson } from "../../../src/core/parse-json.ts";

/** Inputs with numbers that a double rounds (333333333.33333329): fine for RFC 8785, refused by strict parsing. */
const INEXACT: ReadonlySet<string> = new Set(["values"]);

const read = (path: string) => readFileSync(new URL(path, import.meta.url));

t.test("writes every input exactly as the expected output, byte by byte", async (t) => {
  for (const name of ["arrays", "french", "structures", "unicode", "values", "weird"]) {
    const input = read(`input/${name}.json`);
    const written = Buffer.from(canonicalJson(INEXACT.has(name) ? JSON.parse(input.toString()) : parseJson(input)));
    t.equal(written.toString(), read(`output/${name}.json`).toString(), name);
    t.equal(written.toString("hex"), read(`outhex/${name}.txt`).toString().replace(/\s+/g, ""), `${name}, as hex`);
  }
  for (const name of INEXACT)
    t.throws(
      () => parseJson(read(`input/${name}.json`)),
      { code: "NUMBER_NOT_EXACT" },
      `${name} is not for our parser`,
    );
});

t.test("writes ten thousand doubles as ECMAScript does, and reads them back as the same doubles", async (t) => {
  const lines = gunzipSync(read("es6numbers-10000.txt.gz")).toString();
  const published = JSON.parse(read("es6numbers-sha256.json").toString());
  t.equal(sha256Hex(lines), published.sha256_of_first_lines["10000"], "the file is the published one");
  const wrong = lines
    .trimEnd()
    .split("\n")
    .filter((line) => {
      const [hex = "", expected] = line.split(",");
      const double = Buffer.from(hex.padStart(16, "0"), "hex").readDoubleBE();
      const written = canonicalJson(double);
      return written !== expected || parseJson(written) !== double;
    });
  t.strictSame(wrong, []);
});
