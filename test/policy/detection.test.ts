/**
 * The labelled texts that detection is measured on: the held-out half is what it was, and both halves are sound.
 */
import t from "tap";
import { sha256Hex } from "../../src/core/canonical-json.ts";
import { HALVES, readInjectionSet, readPiiSet, readSetFile } from "./detection/read-set.ts";

t.test("the held-out half is the one that was written before the rules", async (t) => {
  const entries = readSetFile("held-out.sha256").toString("utf8").trim().split("\n");
  t.equal(entries.length, 2);
  for (const entry of entries) {
    const [digest = "", name = ""] = entry.split("  ");
    t.equal(sha256Hex(readSetFile(name)), digest, name);
  }
});

t.test("each set is large, of many families, and has no text twice", async (t) => {
  const injection = HALVES.flatMap((half) => readInjectionSet(half));
  const pii = HALVES.flatMap((half) => readPiiSet(half));
  const attacks = injection.filter((sample) => sample.attack);
  const personal = pii.filter((sample) => sample.spans.length > 0);
  for (const [texts, atLeast] of [
    [attacks, 200],
    [injection.filter((sample) => !sample.attack), 200],
    [personal, 300],
    [pii.filter((sample) => sample.spans.length === 0), 200],
  ] as const) {
    t.ok(texts.length >= atLeast, `${texts.length}`);
    const contents = texts.map((sample) => JSON.stringify("text" in sample ? sample.text : sample.payload));
    t.equal(new Set(contents).size, contents.length);
  }
  t.ok(new Set(attacks.map((sample) => sample.family)).size >= 8);
  t.ok(new Set(personal.flatMap((sample) => sample.spans.map(([kind]) => kind))).size >= 12);
});

t.test("spans follow each other within their text", async (t) => {
  const amiss = HALVES.flatMap((half) => readPiiSet(half)).filter(({ text, spans }) => {
    const edges = spans.flatMap(([_, start, end]) => [start, end]);
    return [...edges, text.length].some((edge, at) => edge < (edges[at - 1] ?? 0));
  });
  t.same(amiss, []);
});
