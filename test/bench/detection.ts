/**
 * How well and how fast the packs find injections and personal data: `node test/bench/detection.ts`.
 *
 *   --json      the same as JSON; the figures kept in test/bench/results/ were made so
 *   --tuning    only the half that rules may be made with, and the training texts; with every one that is decided wrongly
 *
 * In: the packs in wasm/ and the labelled texts (test/policy/detection/). Not a test: test/policy/detection.test.ts is one.
 */
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import type { LoadedPack } from "../../src/policy/pack.ts";
import {
  loadBuilt,
  type Measured,
  measureInjection,
  measurePii,
  questionOf,
  sum,
  type Tally,
} from "../policy/detection/measure.ts";
import { readInjectionSet, readPiiSet, SETS } from "../policy/detection/read-set.ts";
import { TENANT } from "../policy/make-pack.ts";

const { values: flags } = parseArgs({ options: { json: { type: "boolean" }, tuning: { type: "boolean" } } });
const MEASURE_MS = 1_000;
/** One plain text of a kilobyte, and harmless texts of every family joined to about one. */
const KILOBYTES = {
  plain: ["please look at the ticket and answer kindly. ".repeat(22)],
  benign: kilobytes(readInjectionSet("tuning").flatMap(({ attack, payload }) => (attack ? [] : [payload]))),
  unlabelled: kilobytes(readPiiSet("tuning").flatMap(({ spans, text }) => (spans.length > 0 ? [] : [text]))),
};

function kilobytes(payloads: readonly unknown[]): readonly string[] {
  const texts = payloads.map((payload) => (typeof payload === "string" ? payload : JSON.stringify(payload)));
  const joined = texts.join("\n");
  return Array.from({ length: Math.floor(joined.length / 1000) }, (_, at) => joined.slice(at * 1000, (at + 1) * 1000));
}

/** Median microseconds a decision on about a kilobyte takes. */
function medianUs(pack: LoadedPack, texts: readonly string[]): number {
  const questions = texts.map(questionOf);
  const durationsUs: number[] = [];
  for (const endMs = performance.now() + MEASURE_MS; performance.now() < endMs; ) {
    const startMs = performance.now();
    pack.evaluate(questions[durationsUs.length % questions.length] ?? Buffer.of(), TENANT);
    durationsUs.push((performance.now() - startMs) * 1000);
  }
  return Math.round(durationsUs.sort((a, b) => a - b)[durationsUs.length >> 1] ?? 0);
}

function timesUs(pack: LoadedPack): Record<string, number> {
  return Object.fromEntries(Object.entries(KILOBYTES).map(([name, texts]) => [name, medianUs(pack, texts)]));
}

function percent({ total, found }: Tally): string {
  return `${((100 * found) / total).toFixed(1)} %`;
}

function table(sets: readonly Measured[], part: "recall" | "falsePositives"): string {
  const names = [...new Set(sets.flatMap((set) => [...set[part].keys()]))].sort();
  const cell = (tally: Tally | undefined) =>
    (tally ? `${tally.found}/${tally.total} ${percent(tally)}` : "-").padStart(18);
  const line = (name: string, tallies: readonly (Tally | undefined)[]) =>
    `  ${name.padEnd(28)}${tallies.map(cell).join("")}`;
  return [
    ...names.map((name) =>
      line(
        name,
        sets.map((set) => set[part].get(name)),
      ),
    ),
    line(
      "all",
      sets.map((set) => sum(set[part])),
    ),
  ].join("\n");
}

function asJson({ recall, falsePositives, strayCount }: Measured): unknown {
  return { recall: Object.fromEntries(recall), falsePositives: Object.fromEntries(falsePositives), strayCount };
}

const sets = flags.tuning ? (["tuning", "training"] as const) : SETS;
const injectionPack = await loadBuilt("prompt_injection");
const piiPack = await loadBuilt("pii_redaction");
const injection = sets.map((set) => measureInjection(injectionPack, readInjectionSet(set)));
const pii = sets.map((set) => measurePii(piiPack, readPiiSet(set)));
const machine = `${cpus().length} × ${cpus()[0]?.model}, node ${process.version}`;
const medians = { prompt_injection: timesUs(injectionPack), pii_redaction: timesUs(piiPack) };

if (flags.json) {
  const bySet = (measured: readonly Measured[]) =>
    Object.fromEntries(sets.map((set, at) => [set, asJson(measured[at] as Measured)]));
  const packs = { prompt_injection: injectionPack.ref.digest, pii_redaction: piiPack.ref.digest };
  console.log(
    JSON.stringify(
      {
        command: "node test/bench/detection.ts --json",
        machine,
        packs,
        medianUsPerKilobyte: medians,
        injection: bySet(injection),
        pii: bySet(pii),
      },
      undefined,
      2,
    ),
  );
} else {
  console.log(`${machine}\n${" ".repeat(30)}${sets.map((set) => set.padStart(18)).join("")}`);
  console.log(
    `attacks found\n${table(injection, "recall")}\nharmless texts stopped\n${table(injection, "falsePositives")}`,
  );
  console.log(
    `spans found exactly\n${table(pii, "recall")}\ntexts without any, touched\n${table(pii, "falsePositives")}`,
  );
  console.log(`spans that are none, in texts with some: ${pii.map((set) => set.strayCount).join(", ")}`);
  console.log(`median µs for a kilobyte ${JSON.stringify(medians)}`);
  if (flags.tuning)
    for (const sample of [...injection, ...pii].flatMap((set) => set.wrong)) console.log(JSON.stringify(sample));
}
