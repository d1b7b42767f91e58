/**
 * One decision in process: a pack of the product on a pack input of about 1 KB, as the gate asks it.
 *
 * In: pack names. Out: µs per evaluation, by kind of text: nothing to find, words that look like something, a card.
 */
import { fileURLToPath } from "node:url";
import { systemClock } from "../../../src/core/clock.ts";
import type { TenantUid } from "../../../src/core/ids.ts";
import { loadPack } from "../../../src/policy/load-pack.ts";
import { processToolchain } from "../../../src/policy/pack-tools.ts";
import { type Quantiles, quantilesOf } from "./quantiles.ts";

export interface DecisionFigure {
  readonly pack: string;
  readonly text: string;
  readonly inputBytes: number;
  readonly effect: string;
  readonly us: Quantiles;
}

const WASM = fileURLToPath(new URL("../../../wasm/", import.meta.url));
const TEXTS: Readonly<Record<string, string>> = {
  plain: "please look at the ticket and answer kindly. ".repeat(12),
  cued: "please forget the password, my phone is 5551234. ".repeat(11),
  card: "please look at the ticket and answer kindly. 4111 1111 1111 1111 ".repeat(8),
};

function inputOf(text: string): Uint8Array {
  return Buffer.from(
    JSON.stringify({
      approvals: [],
      boundary: "ingress_tool",
      budget: { tracked: false },
      caller: { key: "k1", owner: "admin", role: "submitter" },
      execution: {
        checkpoint: false,
        deadline_ms: 0,
        max_attempts: 1,
        retry_backoff_factor_ppm: 2_000_000,
        retry_backoff_ms: 0,
      },
      inputs: { text, ticket: 1042, to: "support queue" },
      origins: [{ boundary: "ingress_tool", source: "user" }],
      policy: { guardrails: [], packs: [] },
      run: { id: "r", kind: "dag", labels: {} },
      slo: {},
      step: { attempt: 1, id: "s", max_attempts: 1, slug: "", type: "noop" },
      tenant: { id: "default", labels: {} },
      time: 1_790_000_000_000,
    }),
  );
}

/** Measures each pack on each text for `durationMs` after a warm-up of a third of it. */
export async function measureDecisions(
  names: readonly string[],
  durationMs: number,
): Promise<readonly DecisionFigure[]> {
  const figures: DecisionFigure[] = [];
  for (const name of names) {
    const pack = await loadPack({
      directory: `${WASM}${name}`,
      expectedDigest: undefined,
      placement: "caller",
      clock: systemClock,
      toolchain: processToolchain(),
    });
    for (const [text, content] of Object.entries(TEXTS)) {
      const input = inputOf(content);
      const evaluate = () => pack.evaluate(input, "bench" as TenantUid);
      for (const endMs = performance.now() + durationMs / 3; performance.now() < endMs; ) evaluate();
      const durationsUs: number[] = [];
      for (const endMs = performance.now() + durationMs; performance.now() < endMs; ) {
        const startMs = performance.now();
        evaluate();
        durationsUs.push((performance.now() - startMs) * 1000);
      }
      const result = evaluate();
      const effect = result.ok ? result.decision.effect : result.fault;
      figures.push({ pack: name, text, inputBytes: input.length, effect, us: quantilesOf(durationsUs) });
    }
    pack.close();
  }
  return figures;
}
