/**
 * The Rego toolchain: OPA itself as a Wasm module (wasm/toolchain), asked for one operation at a time.
 *
 * In: sources by file name, or a builtin and its operands. Out: typed answers; faults of the sources are values.
 * Synchronous once open, and never interrupted from outside: each operation carries its own time limit.
 * Not here: files and folders of packs (pack-tools.ts), loading the module's bytes (toolchain-module.ts).
 */
import type { Clock } from "../core/clock.ts";
import { StepgateError } from "../core/errors.ts";
import { closedWasi } from "./closed-wasi.ts";
import { makeRegexEngine, type RegexEngine } from "./regex-engine.ts";
import { loadRegexModule, loadToolchainModule, type ToolchainPlace } from "./toolchain-module.ts";

/** Rego sources by the name that errors and coverage use. At most 512 files and 4 MiB. */
export type Sources = Readonly<Record<string, string>>;

/** One fault of a source; row and column count from 1 and are absent where a fault has no place. */
export interface Problem {
  readonly code: string;
  readonly message: string;
  readonly file?: string;
  readonly row?: number;
  readonly col?: number;
}

export type Answer<Result> =
  | { readonly ok: true; readonly result: Result }
  | { readonly ok: false; readonly problems: readonly Problem[] };

export interface TestRun {
  readonly tests: readonly TestOutcome[];
  readonly coverage: Readonly<Record<string, FileCoverage>>;
}

export interface TestOutcome {
  readonly package: string;
  readonly name: string;
  readonly file: string;
  readonly row: number;
  readonly outcome: "pass" | "fail" | "skip" | "error";
  readonly message?: string;
  /** What the test printed. */
  readonly output?: string;
  /** Names of failed sub-cases. */
  readonly failed?: readonly string[];
  readonly durationUs: number;
}

export interface FileCoverage {
  readonly percent: number;
  readonly notCovered: readonly { readonly first: number; readonly last: number }[];
}

/** One evaluation by the interpreter: a JSON text, or undefined, or the error it ended with. */
export interface InterpreterEvaluation {
  readonly value?: string;
  readonly error?: string;
}

/** Value literals as `opa_value_dump` writes them; no value and not halted = undefined. */
export interface BuiltinAnswer {
  readonly value?: string;
  readonly halted?: boolean;
  readonly message?: string;
}

export interface Toolchain {
  /** Parses and compiles strictly against our capabilities. */
  readonly checkPack: (files: Sources) => Answer<unknown>;
  /** Every file in OPA's canonical form. */
  readonly formatFiles: (files: Sources) => Answer<{ readonly files: Sources }>;
  /** Runs all test rules in OPA's interpreter; `timeoutMs` bounds each test. */
  readonly testFiles: (files: Sources, timeoutMs?: number) => Answer<TestRun>;
  /** Compiles to one Wasm module; the same files give the same bytes. Entrypoints as `stepgate/baseline/decision`;
   * lenient: unused imports and variables pass, as in OPA's own cases. */
  readonly buildWasm: (files: Sources, entrypoints: readonly string[], isLenient?: boolean) => Answer<Uint8Array>;
  /** Asks OPA's interpreter for one entrypoint under each input (JSON texts, undefined = no input). */
  readonly evalInterpreter: (question: InterpreterQuestion) => Answer<readonly InterpreterEvaluation[]>;
  /** Asks one pure builtin; operands are value literals. */
  readonly callBuiltin: (name: string, operands: readonly string[]) => BuiltinAnswer;
}

export interface InterpreterQuestion {
  readonly files: Sources;
  readonly entrypoint: string;
  readonly inputs: readonly (string | undefined)[];
  /** Base documents as a JSON text; packs have none. */
  readonly data?: string;
  readonly timeoutMs?: number;
}

export interface ToolchainDeps extends ToolchainPlace {
  readonly clock: Clock;
  readonly random: (size: number) => Uint8Array;
}

const DEFAULT_TIMEOUT_MS = 5_000;
/** 10 000 × an honest call (0.1–0.6 ms); above it a builtin was asked for something of unbounded size. */
const BUILTIN_TIMEOUT_MS = 1_000;

/**
 * Opens the toolchain: about 0.1 s from the cache, 0.3 s without, then 90 MB of memory while it is referenced.
 *
 * @throws {StepgateError} TOOLCHAIN_UNAVAILABLE when the module is missing or does not have its digest.
 */
export async function openToolchain(deps: ToolchainDeps): Promise<Toolchain> {
  const module = await loadToolchainModule(deps);
  const ask = makeAsk(module, deps);
  return {
    checkPack: (files) => ask({ op: "check", files }),
    formatFiles: (files) => ask({ op: "format", files }),
    testFiles: (files, timeoutMs = DEFAULT_TIMEOUT_MS) =>
      mapAnswer(ask<TestRun>({ op: "test", files, timeoutMs }), ({ tests, coverage }) => ({
        tests,
        coverage: Object.fromEntries(Object.entries(coverage).map(([file, found]) => [file, mergeLines(found)])),
      })),
    buildWasm: (files, entrypoints, lenient = false) =>
      mapAnswer(ask<{ readonly wasm: string }>({ op: "build", files, entrypoints, lenient }), ({ wasm }) =>
        Uint8Array.from(Buffer.from(wasm, "base64")),
      ),
    evalInterpreter: ({ entrypoint, ...question }) =>
      mapAnswer(
        ask<{ readonly evaluations: readonly InterpreterEvaluation[] }>({
          op: "eval",
          entrypoints: [entrypoint],
          ...question,
          inputs: question.inputs.map((input) => input ?? null),
        }),
        ({ evaluations }) => evaluations,
      ),
    callBuiltin: (name, args) => {
      const answer = ask<BuiltinAnswer>({ op: "callbuiltin", name, args, timeoutMs: BUILTIN_TIMEOUT_MS });
      if (!answer.ok) throw new StepgateError("TOOLCHAIN_FAILED", { op: "callbuiltin", builtin: name });
      return answer.result;
    },
  };
}

/** A toolchain for this thread, opened when first needed, and what another thread needs to open its own. */
export interface LazyToolchain {
  readonly open: () => Promise<Toolchain>;
  /** RE2 for the packs of this thread, without the rest. @throws {StepgateError} TOOLCHAIN_UNAVAILABLE. */
  readonly openRegexEngine: () => Promise<RegexEngine>;
  readonly place: ToolchainPlace;
}

/** Opens each at its first call and then hands out the same one; a failure is tried again. */
export function lazyToolchain(deps: ToolchainDeps): LazyToolchain {
  return {
    open: once(() => openToolchain(deps)),
    openRegexEngine: once(async () => makeRegexEngine(await loadRegexModule(deps))),
    place: { cacheDirectory: deps.cacheDirectory, directory: deps.directory },
  };
}

function once<Opened>(open: () => Promise<Opened>): () => Promise<Opened> {
  let opening: Promise<Opened> | undefined;
  return () => {
    opening ??= open().catch((caught: unknown) => {
      opening = undefined;
      throw caught;
    });
    return opening;
  };
}

interface ToolchainRequest {
  readonly op: "check" | "format" | "test" | "build" | "eval" | "callbuiltin";
  readonly timeoutMs?: number;
  readonly [field: string]: unknown;
}

/** What the reactor exports (wasm/toolchain/main.go). */
interface ToolchainExports {
  readonly memory: WebAssembly.Memory;
  readonly buffer: (bytes: number) => number;
  readonly run: () => number;
  readonly answer: () => number;
}

function makeAsk(module: WebAssembly.Module, deps: ToolchainDeps) {
  let instance: ToolchainExports | undefined;
  return <Result>(request: ToolchainRequest): Answer<Result> => {
    const bytes = Buffer.from(JSON.stringify({ timeoutMs: DEFAULT_TIMEOUT_MS, ...request }));
    let text: string;
    try {
      instance ??= instantiate(module, deps);
      text = exchange(instance, bytes);
    } catch (cause) {
      // after a trap the module's memory means nothing any more: the next call starts a new instance
      instance = undefined;
      throw new StepgateError("TOOLCHAIN_FAILED", { op: request.op }, { cause });
    }
    return readAnswer<Result>(text);
  };
}

function instantiate(module: WebAssembly.Module, deps: ToolchainDeps): ToolchainExports {
  let exports: ToolchainExports | undefined;
  const memory = () => {
    if (exports === undefined) throw new StepgateError("TOOLCHAIN_FAILED", { reason: "called before it was ready" });
    return exports.memory;
  };
  const wasi = closedWasi({ memory, clock: deps.clock, random: deps.random });
  const instance = new WebAssembly.Instance(module, { wasi_snapshot_preview1: wasi });
  // the digest says that this is our module, so its exports are those of main.go
  const found = instance.exports as WebAssembly.Exports & ToolchainExports & { readonly _initialize: () => void };
  exports = found;
  found._initialize();
  return found;
}

function exchange(instance: ToolchainExports, request: Uint8Array): string {
  const address = instance.buffer(request.length) >>> 0;
  if (address === 0) throw new StepgateError("TOOLCHAIN_FAILED", { reason: "request too large" });
  new Uint8Array(instance.memory.buffer, address, request.length).set(request);
  const length = instance.run();
  return Buffer.from(instance.memory.buffer, instance.answer() >>> 0, length).toString("utf8");
}

function readAnswer<Result>(text: string): Answer<Result> {
  // our own module wrote it; what is inside (values, sources) is text there and gets parsed by who uses it
  const { result, errors } = JSON.parse(text) as { readonly result?: Result; readonly errors?: readonly Problem[] };
  if (errors !== undefined) return { ok: false, problems: errors };
  if (result === undefined) throw new StepgateError("TOOLCHAIN_FAILED", { reason: "empty answer" });
  return { ok: true, result };
}

/** OPA reports places of expressions; people look for lines: neighbours and repetitions become one range. */
function mergeLines({ percent, notCovered }: FileCoverage): FileCoverage {
  const merged: { first: number; last: number }[] = [];
  for (const { first, last } of [...notCovered].sort((a, b) => a.first - b.first)) {
    const previous = merged.at(-1);
    if (previous !== undefined && first <= previous.last + 1) previous.last = Math.max(previous.last, last);
    else merged.push({ first, last });
  }
  return { percent, notCovered: merged };
}

function mapAnswer<From, To>(answer: Answer<From>, map: (result: From) => To): Answer<To> {
  return answer.ok ? { ok: true, result: map(answer.result) } : answer;
}
