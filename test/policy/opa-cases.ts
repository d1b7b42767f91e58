/**
 * OPA's own cases (test/conformance/opa), many to a module: each in a package of its own, asked by entrypoint name.
 *
 * In: the compressed case file, the toolchain. Out: for every case what our host answered, as a value literal.
 * Not here: what counts as right, and the exceptions (opa-conformance.test.ts).
 */
import { readFileSync } from "node:fs";
import { brotliDecompressSync } from "node:zlib";
import {
  parseLiteral,
  RegoObject,
  RegoSet,
  type RegoValue,
  writeLiteral,
} from "../../src/policy/builtins/rego-value.ts";
import { resolveBuiltins } from "../../src/policy/host-builtin.ts";
import { inspectModule } from "../../src/policy/inspect-module.ts";
import { instantiateOpa, type OpaInstance, type OpaModule } from "../../src/policy/opa-instance.ts";
import type { LazyToolchain, Sources, Toolchain } from "../../src/policy/toolchain.ts";

export interface OpaCase {
  readonly id: string;
  readonly note: string;
  readonly file: string;
  readonly query: string;
  readonly modules: readonly string[];
  readonly builtins: readonly string[];
  /** Literals; undefined = none. */
  readonly data: RegoValue;
  readonly input: string | undefined;
  /** Bindings of the query's variables; undefined = the case wants an error. */
  readonly want: readonly RegoValue[] | undefined;
  /** The error is one that OPA reports only when asked to be strict about builtins. */
  readonly isStrictError: boolean;
  readonly isSorted: boolean;
}

/** A set of bindings, or the error that ended the evaluation. */
export type CaseAnswer =
  | { readonly ok: true; readonly bindings: RegoSet }
  | { readonly ok: false; readonly error: string };

const MAX_MEMORY_BYTES = 256 * 1024 * 1024;

export function readOpaCases(): readonly OpaCase[] {
  const file = new URL("../conformance/opa/cases.jsonl.br", import.meta.url);
  const lines = brotliDecompressSync(readFileSync(file)).toString("utf8").trim().split("\n");
  return lines.map((line, index) => readCase(`c${index}`, parseLiteral(line)));
}

function readCase(id: string, value: RegoValue): OpaCase {
  const field = (name: string) => fieldOf(value, name);
  const text = (name: string) => String(field(name));
  const list = (name: string) => (Array.isArray(field(name)) ? (field(name) as readonly RegoValue[]) : undefined);
  const input = field("input_term") ?? field("input");
  return {
    id,
    note: text("note"),
    file: text("file"),
    query: text("query").trim(),
    modules: (list("modules") ?? []).map(String),
    builtins: (list("builtins") ?? []).map(String),
    data: field("data") ?? new RegoObject([]),
    input: input === undefined ? undefined : inputLiteral(input, typeof field("input_term") === "string"),
    want: list("want_plan_result"),
    isStrictError: field("strict_error") === true,
    isSorted: field("sort_bindings") === true,
  };
}

/** `input_term` is Rego, which allows a comma after the last item; literals do not. */
function inputLiteral(input: RegoValue, isTerm: boolean): string {
  return isTerm ? String(input).replace(/,(?=\s*[}\]])/g, "") : writeLiteral(input);
}

export function fieldOf(value: RegoValue | undefined, name: string): RegoValue | undefined {
  if (!(value instanceof RegoObject)) return undefined;
  return value.entries.find(([key]) => key === name)?.[1];
}

/** Cases about the names of packages themselves: moved elsewhere they would ask something else. */
const FIXED = /^regometadatachain\/|^ir\/call-dynamic/;

export function isFixed(one: OpaCase): boolean {
  return FIXED.test(one.note);
}

/** The case's modules under a package of its own, with one rule that collects the query's bindings. */
function caseSources(one: OpaCase): Sources {
  const prefix = isFixed(one) ? "" : `${one.id}.`;
  const moved = (rego: string) => rego.replace(/\bdata\.(?=[A-Za-z_])/g, `data.${prefix}`);
  const sources: Record<string, string> = {};
  one.modules.forEach((rego, index) => {
    sources[`${one.id}/${index}.rego`] = moved(rego).replace(/^package\s+/m, `package ${prefix}`);
  });
  const names = one.want?.[0] instanceof RegoObject ? one.want[0].entries.map(([key]) => String(key)) : [];
  const bindings = `{${names.map((name) => `"${name}": ${name}`).join(", ")}}`;
  const rule = `answers contains ${bindings} if {\n${moved(one.query)}\n}`;
  sources[`${one.id}/query.rego`] = `package ${one.id}.conformance\n\n${rule}\n`;
  return sources;
}

/** Builds the cases into one module and answers each; a case that breaks its instance gets a new one after it. */
export async function answerCases(
  cases: readonly OpaCase[],
  lazy: LazyToolchain,
): Promise<ReadonlyMap<OpaCase, CaseAnswer>> {
  const toolchain = await lazy.open();
  const module = buildCases(cases, toolchain);
  const [first] = cases;
  const data =
    first !== undefined && isFixed(first) ? first.data : new RegoObject(cases.map((one) => [one.id, one.data]));
  const deps = {
    builtin: await resolveBuiltins(await needed(module), lazy),
    maxMemoryBytes: MAX_MEMORY_BYTES,
    data: writeLiteral(data),
  };
  let instance: OpaInstance | undefined;
  const answers = new Map<OpaCase, CaseAnswer>();
  for (const one of cases) {
    try {
      instance ??= instantiateOpa(module, deps);
      const entrypoint = instance.entrypoints.get(`${one.id}/conformance/answers`) ?? -1;
      const input = one.input === undefined ? undefined : Buffer.from(one.input);
      answers.set(one, { ok: true, bindings: bindingsOf(instance.evaluate(entrypoint, input, "literal")) });
    } catch (caught) {
      instance = undefined;
      answers.set(one, { ok: false, error: String(caught) });
    }
  }
  return answers;
}

function buildCases(cases: readonly OpaCase[], toolchain: Toolchain): OpaModule {
  const files = Object.assign({}, ...cases.map(caseSources)) as Sources;
  const built = toolchain.buildWasm(
    files,
    cases.map((one) => `${one.id}/conformance/answers`),
    true,
  );
  if (!built.ok) throw new Error(JSON.stringify(built.problems[0]));
  return { module: new WebAssembly.Module(built.result), memory: inspectModule(built.result) };
}

async function needed(module: OpaModule): Promise<readonly string[]> {
  return instantiateOpa(module, { builtin: () => () => undefined, maxMemoryBytes: MAX_MEMORY_BYTES }).builtins;
}

function bindingsOf(resultSet: Uint8Array): RegoSet {
  const results = parseLiteral(Buffer.from(resultSet).toString("utf8"));
  // as a literal the result set is a set
  const answers = results instanceof RegoSet ? fieldOf(results.elements[0], "result") : undefined;
  if (!(answers instanceof RegoSet)) throw new Error("no set of bindings");
  return answers;
}
