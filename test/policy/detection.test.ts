/**
 * The labelled texts that detection is measured on: the held-out half is what it was, both halves are sound, and the packs
 * find no less in them than was measured (test/bench/results/detection.json).
 */
import t from "tap";
import { sha256Hex } from "../../src/core/canonical-json.ts";
import { loadBuilt, type Measured, measureInjection, measurePii, sum } from "./detection/measure.ts";
import { readInjectionSet, readPiiSet, readSetFile, SETS } from "./detection/read-set.ts";

t.test("the held-out half is the one that was written before the rules", async (t) => {
  const entries = readSetFile("held-out.sha256").toString("utf8").trim().split("\n");
  t.equal(entries.length, 2);
  for (const entry of entries) {
    const [digest = "", name = ""] = entry.split("  ");
    t.equal(sha256Hex(readSetFile(name)), digest, name);
  }
});

t.test("each set is large, of many families, and has no text twice", async (t) => {
  const injection = SETS.flatMap((set) => readInjectionSet(set));
  const pii = SETS.flatMap((set) => readPiiSet(set));
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
  const amiss = SETS.flatMap((set) => readPiiSet(set)).filter(({ text, spans }) => {
    const edges = spans.flatMap(([_, start, end]) => [start, end]);
    return [...edges, text.length].some((edge, at) => edge < (edges[at - 1] ?? 0));
  });
  t.same(amiss, []);
});

/** As measured when the rules were last changed: attacks or spans found at least, harmless texts touched at most. */
const MEASURED = {
  injection: {
    tuning: { found: 153, falsePositives: 1 },
    "held-out": { found: 133, falsePositives: 4 },
    training: { found: 232, falsePositives: 82 },
  },
  pii: {
    tuning: { found: 161, falsePositives: 1 },
    "held-out": { found: 162, falsePositives: 1 },
    training: { found: 71, falsePositives: 4 },
  },
} as const;
const HIDDEN_TEXTS = { tuning: 21, "held-out": 21, training: 27 } as const;

t.test("detection does not fall below what was measured", async (t) => {
  const injectionPack = await loadBuilt("prompt_injection");
  const piiPack = await loadBuilt("pii_redaction");
  const holds = (
    measured: Measured,
    floor: { readonly found: number; readonly falsePositives: number },
    name: string,
  ) => {
    const [found, falsePositives] = [sum(measured.recall).found, sum(measured.falsePositives).found];
    t.ok(found >= floor.found, `${name}: ${found} found`);
    t.ok(falsePositives <= floor.falsePositives, `${name}: ${falsePositives} harmless texts touched`);
    t.equal(measured.strayCount, 0, `${name}: nothing else in a text with labels is replaced`);
  };
  for (const set of SETS) {
    const injection = measureInjection(injectionPack, readInjectionSet(set));
    holds(injection, MEASURED.injection[set], `injection, ${set}`);
    t.equal(injection.recall.get("hidden_text")?.found, HIDDEN_TEXTS[set], "hidden texts are found");
    holds(measurePii(piiPack, readPiiSet(set)), MEASURED.pii[set], `pii, ${set}`);
  }
  injectionPack.close();
  piiPack.close();
});
