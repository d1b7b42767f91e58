/**
 * How long packs take: `node test/bench/policy.ts`. Prints one line a measurement; run it on an idle machine.
 *
 * The pack has a dozen rules like those of a baseline: a tool list, a host list, three patterns, a redaction; the input
 * is 1 KB. Not a test: nothing here can fail.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/core/clock.ts";
import type { TenantUid } from "../../src/core/ids.ts";
import { loadPack } from "../../src/policy/load-pack.ts";
import { buildPack, processToolchain } from "../../src/policy/pack-tools.ts";
import { PATIENT_LIMITS, writeSourcePack } from "../policy/make-pack.ts";

const RULES = `default decision := {"effect": "allow", "reasons": []}

decision := {"effect": "deny", "reasons": sort(denials)} if count(denials) > 0

decision := {"effect": "redact", "reasons": ["card.found"], "patches": sort(patches)} if {
	count(denials) == 0
	count(patches) > 0
}

denials contains "tool.not_listed" if not input.step.type in {"http", "process", "llm"}

denials contains "host.not_listed" if {
	some host in object.get(input.inputs, "hosts", [])
	not host in {"api.example", "mail.example"}
}

denials contains "injection.override" if regex.match(\`(?i)ignore (all|the) (previous|earlier) instructions\`, input.inputs.text)

denials contains "secret.private_key" if regex.match(\`-----BEGIN [A-Z ]*PRIVATE KEY-----\`, input.inputs.text)

patches contains {"op": "replace", "path": "/inputs/card", "value": "[card]"} if regex.match(\`\\b4[0-9]{15}\\b\`, input.inputs.card)`;
const REASONS = Object.fromEntries(
  ["tool.not_listed", "host.not_listed", "injection.override", "secret.private_key", "card.found"].map((code) => [
    code,
    code,
  ]),
);
const TENANT = "bench" as TenantUid;

const INPUT = Buffer.from(
  JSON.stringify({
    boundary: "ingress_tool",
    time: "2026-01-01T00:00:00Z",
    step: { id: "s", type: "http", attempt: 1 },
    inputs: {
      text: "please look at the ticket and answer kindly. ".repeat(18),
      hosts: ["api.example"],
      card: "4111111111111111",
    },
  }),
);

function quantiles(durationsUs: readonly number[]): string {
  const sorted = [...durationsUs].sort((a, b) => a - b);
  const at = (share: number) => (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(0);
  return `p50 ${at(0.5)} µs, p99 ${at(0.99)} µs, fastest ${at(0)} µs`;
}

async function timed<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
  const startMs = performance.now();
  const result = await work();
  console.log(`${name}: ${(performance.now() - startMs).toFixed(1)} ms`);
  return result;
}

const folder = await mkdtemp(join(tmpdir(), "stepgate-bench-"));
try {
  console.log(`${cpus().length} × ${cpus()[0]?.model}, node ${process.version}, input ${INPUT.length} bytes`);
  await timed("toolchain open", () => processToolchain().open());
  const source = await writeSourcePack(folder, { name: "bench", rules: RULES, reasons: REASONS });
  await timed("first build", () => buildPack(source, join(folder, "out")));
  await timed("second build", () => buildPack(source, join(folder, "out")));
  for (const placement of ["caller", "worker"] as const) {
    const where = { directory: join(folder, "out"), expectedDigest: undefined, placement };
    const pack = await timed(`load, ${placement}`, () =>
      loadPack({ ...where, clock: systemClock, toolchain: processToolchain(), limits: PATIENT_LIMITS }),
    );
    console.log(`first evaluation, ${placement}: ${pack.evaluate(INPUT, TENANT).durationUs} µs`);
    const durationsUs: number[] = [];
    for (let count = 0; count < 20_000; count += 1) {
      const startMs = performance.now();
      const result = pack.evaluate(INPUT, TENANT);
      durationsUs.push((performance.now() - startMs) * 1000);
      if (!result.ok || result.decision.effect !== "redact") throw new Error(JSON.stringify(result));
    }
    console.log(`evaluation, ${placement}: ${quantiles(durationsUs)}`);
    pack.close();
  }
} finally {
  await rm(folder, { recursive: true });
}
