/**
 * Tests of a pack: its test rules in OPA's interpreter, and every case twice, interpreted and as the built Wasm.
 *
 * In: sources and cases that were read. Out: what passed, what did not and why, coverage. A case whose two decisions
 * differ fails even if one of them is the wanted one. Not here: printing it (cli/).
 */
import { canonicalJson } from "../core/canonical-json.ts";
import type { Clock } from "../core/clock.ts";
import type { PackDecision } from "../core/decision.ts";
import type { TenantUid } from "../core/ids.ts";
import type { JsonValue } from "../core/json.ts";
import { compilePack, type PackBuild } from "./build-pack.ts";
import { resolveBuiltins } from "./host-builtin.ts";
import { DEFAULT_PACK_LIMITS, type PackFault } from "./pack.ts";
import type { PackCase } from "./pack-cases.ts";
import type { PackSources } from "./pack-sources.ts";
import { type DecisionReading, readDecision } from "./read-decision.ts";
import { makeTenantInstances } from "./tenant-instances.ts";
import type { Answer, FileCoverage, InterpreterEvaluation, LazyToolchain, TestOutcome } from "./toolchain.ts";

export interface CaseOutcome {
  readonly file: string;
  readonly story: string;
  /** Empty when the case passes. */
  readonly faults: readonly string[];
  /** What was decided, for people. */
  readonly got: string;
}

export interface PackTestReport {
  readonly ok: boolean;
  readonly tests: readonly TestOutcome[];
  readonly cases: readonly CaseOutcome[];
  readonly coverage: Readonly<Record<string, FileCoverage>>;
}

/** What both ways of deciding have in common. */
type Reading = { readonly ok: true; readonly decision: PackDecision; readonly undeclared: readonly string[] } | Failure;
interface Failure {
  readonly ok: false;
  readonly fault: PackFault;
  readonly message?: string;
}

/**
 * Of one test rule or case in the interpreter: ends what never would, and no more. The slowest rule of our own packs took
 * 3 s on a machine at work, and not even 5 s were enough for it when that was very busy.
 */
const INTERPRETER_TIMEOUT_MS = 60_000;

const CASE_TENANT = "cases" as TenantUid;

/** Runs all tests and cases; faults of the Rego are values, a failed test is `ok: false` in the report. */
export async function testSources(
  input: { readonly sources: PackSources; readonly cases: readonly PackCase[] },
  deps: { readonly toolchain: LazyToolchain; readonly clock: Clock },
): Promise<Answer<PackTestReport>> {
  const { sources, cases } = input;
  const toolchain = await deps.toolchain.open();
  const built = compilePack(sources, toolchain);
  if (!built.ok) return built;
  const run = toolchain.testFiles({ ...sources.rules, ...sources.tests }, INTERPRETER_TIMEOUT_MS);
  if (!run.ok) return run;
  const interpreted = toolchain.evalInterpreter({
    files: sources.rules,
    entrypoint: sources.manifest.entrypoint,
    inputs: cases.map((one) => one.input),
    timeoutMs: INTERPRETER_TIMEOUT_MS,
  });
  if (!interpreted.ok) return interpreted;
  const decide = await makeDecide(built.result, deps);
  const reasons = sources.manifest.reasons;
  const outcomes = cases.map((one, index) =>
    judge(one, { interpreted: readInterpreted(interpreted.result[index], reasons), wasm: decide(one.input) }),
  );
  const { tests, coverage } = run.result;
  const ok = tests.every(({ outcome }) => outcome === "pass") && outcomes.every(({ faults }) => faults.length === 0);
  return { ok: true, result: { ok, tests, cases: outcomes, coverage } };
}

async function makeDecide(
  { module, manifest }: PackBuild,
  deps: { readonly toolchain: LazyToolchain; readonly clock: Clock },
): Promise<(input: string) => Reading> {
  const builtin = await resolveBuiltins(manifest.builtins, deps.toolchain);
  // no deadline: the machine that tests may be busy, and nobody waits for this decision
  const limits = { ...DEFAULT_PACK_LIMITS, deadlineMs: Number.POSITIVE_INFINITY };
  const instances = makeTenantInstances({ module, manifest, builtin, limits, clock: deps.clock });
  return (input) => instances.evaluate(Buffer.from(input), CASE_TENANT);
}

/** The interpreter's value read by the rules that hold for the module's. */
function readInterpreted(
  evaluation: InterpreterEvaluation | undefined,
  reasons: Readonly<Record<string, string>>,
): Reading {
  if (evaluation === undefined) return { ok: false, fault: "crashed", message: "no evaluation" };
  if (evaluation.error !== undefined) return { ok: false, fault: "crashed", message: evaluation.error };
  const resultSet = evaluation.value === undefined ? "[]" : `[{"result":${evaluation.value}}]`;
  const reading: DecisionReading = readDecision(Buffer.from(resultSet), reasons);
  return reading;
}

function judge(one: PackCase, got: { readonly interpreted: Reading; readonly wasm: Reading }): CaseOutcome {
  const { interpreted, wasm } = got;
  const faults: string[] = [];
  if (view(interpreted) !== view(wasm)) {
    // the usual cause: sets have no order in Wasm, and a list made from one has none either until it goes through sort()
    faults.push(
      `interpreter and Wasm differ (is a list made from a set without sort()?): ${view(interpreted)}, ${view(wasm)}`,
    );
  }
  if (wasm.ok) faults.push(...compare(wasm, one.want));
  else
    faults.push(
      `no decision: ${[wasm.fault, interpreted.ok ? undefined : interpreted.message].filter(Boolean).join(", ")}`,
    );
  return { file: one.file, story: one.story, faults, got: view(wasm) };
}

function compare(got: Extract<Reading, { ok: true }>, want: PackCase["want"]): readonly string[] {
  const { decision, undeclared } = got;
  const faults: string[] = [];
  const differ = (name: string, found: JsonValue, wanted: JsonValue) => {
    if (canonicalJson(found) !== canonicalJson(wanted)) {
      faults.push(`${name}: got ${canonicalJson(found)}, wanted ${canonicalJson(wanted)}`);
    }
  };
  differ("effect", decision.effect, want.effect);
  differ("reasons", [...decision.reasons].sort(), [...want.reasons].sort());
  differ("patches", asJson(decision.patches), want.patches ?? []);
  if (want.obligations !== undefined) differ("obligations", asJson(decision.obligations), want.obligations);
  if (undeclared.length > 0) faults.push(`reasons the manifest does not declare: ${undeclared.join(", ")}`);
  return faults;
}

function view(reading: Reading): string {
  return reading.ok ? canonicalJson(asJson({ ...reading.decision })) : reading.fault;
}

/** Decisions were read from JSON and hold nothing else; their interfaces only lack the index signature. */
function asJson(value: object): JsonValue {
  return value as JsonValue;
}
