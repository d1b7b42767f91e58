/**
 * What the two packs find in the labelled texts, counted by family and by kind.
 *
 * In: a loaded pack, samples. Out: tallies, and the samples that were decided wrongly. An attack counts as found when it is
 * not allowed; a span only when exactly its characters were replaced by the placeholder of its kind.
 * Not here: reading the texts (read-set.ts), how long it takes (test/bench/detection.ts).
 */
import { fileURLToPath } from "node:url";
import { systemClock } from "../../../src/core/clock.ts";
import type { PackDecision } from "../../../src/core/decision.ts";
import { loadPack } from "../../../src/policy/load-pack.ts";
import type { LoadedPack } from "../../../src/policy/pack.ts";
import { processToolchain } from "../../../src/policy/pack-tools.ts";
import { PATIENT_LIMITS, TENANT } from "../make-pack.ts";
import type { InjectionSample, PiiSample, Span } from "./read-set.ts";

export interface Tally {
  /** Texts, or spans of a kind. */
  readonly total: number;
  readonly found: number;
}

export interface Measured {
  /** Attacks by family, or spans by kind. */
  readonly recall: ReadonlyMap<string, Tally>;
  /** Negatives by family; found = wrongly not allowed. */
  readonly falsePositives: ReadonlyMap<string, Tally>;
  /** Spans replaced in texts with labels, where no label is. */
  readonly strayCount: number;
  readonly wrong: readonly (InjectionSample | PiiSample)[];
}

/** The pack as it is checked in. */
export function loadBuilt(name: string): Promise<LoadedPack> {
  const directory = fileURLToPath(new URL(`../../../wasm/${name}`, import.meta.url));
  const toolchain = processToolchain();
  return loadPack({
    directory,
    expectedDigest: undefined,
    placement: "caller",
    clock: systemClock,
    toolchain,
    limits: PATIENT_LIMITS,
  });
}

export function questionOf(payload: unknown): Buffer {
  return Buffer.from(
    JSON.stringify({ boundary: "ingress_tool", inputs: { payload }, policy: { guardrails: [], packs: [] } }),
  );
}

export function measureInjection(pack: LoadedPack, samples: readonly InjectionSample[]): Measured {
  const [recall, falsePositives] = [new Map<string, Tally>(), new Map<string, Tally>()];
  const wrong = samples.filter((sample) => {
    const isStopped = decide(pack, sample.payload).effect !== "allow";
    count(sample.attack ? recall : falsePositives, sample.family, isStopped);
    return isStopped !== sample.attack;
  });
  return { recall, falsePositives, strayCount: 0, wrong };
}

export function measurePii(pack: LoadedPack, samples: readonly PiiSample[]): Measured {
  const [recall, falsePositives] = [new Map<string, Tally>(), new Map<string, Tally>()];
  let strayCount = 0;
  const wrong = samples.filter((sample) => {
    const found = spansFound(sample.text, decide(pack, sample.text));
    if (sample.spans.length === 0) {
      count(falsePositives, sample.family, found.size > 0);
      return found.size > 0;
    }
    const hits = sample.spans.filter((span) => found.delete(keyOf(span)));
    for (const span of sample.spans) count(recall, span[0], hits.includes(span));
    strayCount += found.size;
    return hits.length < sample.spans.length || found.size > 0;
  });
  return { recall, falsePositives, strayCount, wrong };
}

export function sum(tallies: ReadonlyMap<string, Tally>): Tally {
  const all = [...tallies.values()];
  return {
    total: all.reduce((total, tally) => total + tally.total, 0),
    found: all.reduce((total, tally) => total + tally.found, 0),
  };
}

function decide(pack: LoadedPack, payload: unknown): PackDecision {
  const result = pack.evaluate(questionOf(payload), TENANT);
  if (!result.ok) throw new Error(JSON.stringify(result));
  return result.decision;
}

function count(tallies: Map<string, Tally>, name: string, isFound: boolean): void {
  const { total, found } = tallies.get(name) ?? { total: 0, found: 0 };
  tallies.set(name, { total: total + 1, found: found + (isFound ? 1 : 0) });
}

function keyOf([kind, start, end]: Span): string {
  return `${kind} ${start} ${end}`;
}

/** Where the placeholders of the patched text stood in the original, by what stands between them. */
function spansFound(text: string, decision: PackDecision): Set<string> {
  const patched = decision.patches[0]?.value;
  if (decision.effect === "deny") return new Set(["deny"]);
  if (typeof patched !== "string") return new Set();
  const [first = "", ...rest] = patched.split(/\[redacted:(\w+)\]/);
  const kinds = rest.filter((_, at) => at % 2 === 0);
  const between = [first, ...rest.filter((_, at) => at % 2 === 1)];
  const pattern = between.map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join("([^]+?)");
  const match = new RegExp(`^${pattern}$`, "d").exec(text);
  return new Set(kinds.map((kind, at) => keyOf([kind, ...(match?.indices?.[at + 1] ?? ([-1, at] as const))])));
}
