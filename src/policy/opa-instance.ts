/**
 * One instance of a compiled policy: OPA's Wasm ABI 1.2 and 1.3, written against its documentation and C sources.
 *
 * In: a compiled module, the builtins it may call, its memory's cap. Out: entrypoints by name, evaluations as JSON text.
 * An instance that threw anything is spent. Not here: what a decision looks like (decision.ts), who may share an
 * instance (tenant-instances.ts).
 */
import { StepgateError } from "../core/errors.ts";
import type { JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { parseJson } from "../core/parse-json.ts";
import type { HostBuiltin, TextBuiltin } from "./builtins/builtin.ts";
import type { DeclaredMemory } from "./inspect-module.ts";
import { type ModuleBytes, makeBytes } from "./module-bytes.ts";
import { type ModuleValues, makeModuleValues, makeTruths, type Truths } from "./module-values.ts";
import { PolicyAbort } from "./policy-abort.ts";

const PAGE_BYTES = 65_536;

export interface OpaModule {
  readonly module: WebAssembly.Module;
  readonly memory: DeclaredMemory;
}

export interface OpaInstanceDeps {
  readonly builtin: (name: string) => HostBuiltin | undefined;
  /** The whole linear memory, code's data included; OPA's smallest modules need 128 KiB. */
  readonly maxMemoryBytes: number;
  /** Base documents as JSON text; packs have none. */
  readonly data?: string;
}

export interface OpaInstance {
  readonly entrypoints: ReadonlyMap<string, number>;
  /** Names of the builtins the module leaves to the host. */
  readonly builtins: readonly string[];
  /** The result set: `[]` for undefined, else `[{"result": …}]`. Input undefined = no input document. */
  readonly evaluate: (entrypoint: number, input: Uint8Array | undefined, form?: ResultForm) => Uint8Array;
  readonly memoryBytes: () => number;
  /** To be taken before the first evaluation: afterwards it would hold what a tenant's input left. */
  readonly image: () => OpaImage;
}

/** JSON, where sets become arrays in no particular order, or value literals, which keep them apart; of input and result. */
export type ResultForm = "json" | "literal";

interface OpaExports {
  readonly opa_eval_ctx_new: () => number;
  readonly opa_eval_ctx_set_input: (context: number, value: number) => void;
  readonly opa_eval_ctx_set_data: (context: number, value: number) => void;
  readonly opa_eval_ctx_set_entrypoint: (context: number, entrypoint: number) => void;
  readonly opa_eval_ctx_get_result: (context: number) => number;
  readonly eval: (context: number) => number;
  readonly opa_heap_ptr_set: (address: number) => void;
  readonly opa_malloc: (bytes: number) => number;
  readonly opa_free: (address: number) => void;
  readonly opa_heap_ptr_get: () => number;
  readonly opa_json_parse: (address: number, length: number) => number;
  readonly opa_json_dump: (value: number) => number;
  readonly opa_value_parse: (address: number, length: number) => number;
  readonly opa_value_dump: (value: number) => number;
  readonly builtins: () => number;
  readonly entrypoints: () => number;
}
const FUNCTIONS = [
  ...["opa_eval_ctx_new", "opa_eval_ctx_set_input", "opa_eval_ctx_set_data", "opa_eval_ctx_set_entrypoint"],
  ...["opa_eval_ctx_get_result", "eval", "opa_heap_ptr_set"],
  ...["opa_malloc", "opa_free", "opa_heap_ptr_get", "opa_json_parse", "opa_json_dump"],
  ...["opa_value_parse", "opa_value_dump", "builtins", "entrypoints"],
] as const;

/** The memory of an instance before its first evaluation, from which others of its module start. */
export interface OpaImage {
  readonly content: Uint8Array;
  readonly memoryBytes: number;
  readonly loaded: Loaded;
}

/** What a module told when it started, and what was put into its memory then. */
interface Loaded {
  readonly entrypoints: ReadonlyMap<string, number>;
  readonly builtins: ReadonlyMap<string, number>;
  readonly truths: Truths | undefined;
  readonly data: number;
  readonly heapStart: number;
}

/**
 * Instantiates a policy and reads what it offers and needs; from an image a tenth as long, since its constants lie there.
 *
 * @throws {StepgateError} PACK_IMPORT_REFUSED for another ABI, a missing export or a builtin that is not offered.
 * @throws {PolicyAbort | WebAssembly.RuntimeError} when the module fails while it starts.
 */
export function instantiateOpa(
  { module, memory: declared }: OpaModule,
  deps: OpaInstanceDeps,
  image?: OpaImage,
): OpaInstance {
  const memory = makeMemory(declared, deps.maxMemoryBytes, image?.memoryBytes);
  const bytes = makeBytes(memory);
  const implementations = new Map<number, (operands: readonly number[]) => number>();
  const call = (id: number, ...operands: readonly number[]): number => {
    const implementation = implementations.get(id);
    if (implementation === undefined) throw new PolicyAbort("a builtin that is not there");
    return implementation(operands);
  };
  const env = {
    memory,
    opa_abort: (address: number) => {
      throw new PolicyAbort(bytes.textAt(address));
    },
    // print is compiled out; a module that calls it anyway has no console here
    opa_println: () => undefined,
    opa_builtin0: (id: number) => call(id),
    opa_builtin1: (id: number, _context: number, a: number) => call(id, a),
    opa_builtin2: (id: number, _context: number, a: number, b: number) => call(id, a, b),
    opa_builtin3: (id: number, _context: number, a: number, b: number, c: number) => call(id, a, b, c),
    opa_builtin4: (id: number, _context: number, a: number, b: number, c: number, d: number) => call(id, a, b, c, d),
  };
  const exports = readExports(new WebAssembly.Instance(module, { env }).exports);
  const bridge = { exports, bytes };

  if (image !== undefined) new Uint8Array(memory.buffer).set(image.content);
  const loaded = image?.loaded ?? load(bridge, memory, { declared, ...deps });
  const { heapStart, data, entrypoints, builtins, truths } = loaded;
  const values = truths && valuesOf(bridge, memory, { heapStart, truths });
  for (const [name, id] of builtins) {
    const implementation = offered(name, deps);
    if (typeof implementation === "function") {
      implementations.set(id, (operands) => callWithLiterals({ ...bridge, implementation }, operands));
    } else if (values !== undefined) {
      implementations.set(id, (operands) => implementation.answer(values, operands));
    }
  }
  return {
    entrypoints,
    builtins: [...builtins.keys()].sort(),
    memoryBytes: () => memory.buffer.byteLength,
    image: () => ({
      content: new Uint8Array(memory.buffer, 0, heapStart).slice(),
      memoryBytes: memory.buffer.byteLength,
      loaded,
    }),
    evaluate: (entrypoint, input, form = "json") => evaluate(bridge, { heapStart, data, entrypoint, input, form }),
  };
}

/** Asks a module that has just started, and puts in what stays there. */
function load(
  bridge: Bridge,
  memory: WebAssembly.Memory,
  deps: OpaInstanceDeps & { readonly declared: DeclaredMemory },
): Loaded {
  const { exports, bytes } = bridge;
  const table = (address: number) => readTable(bytes.bytesAt(exports.opa_json_dump(address)));
  const entrypoints = table(exports.entrypoints());
  const builtins = table(exports.builtins());
  const isInPlace = [...builtins.keys()].some((name) => typeof offered(name, deps) !== "function");
  const parse = (literal: string) => writeText(bridge, literal, exports.opa_value_parse);
  const truths = isInPlace ? makeTruths({ memory, malloc: exports.opa_malloc, parse }) : undefined;
  const data = parse(dataOf(deps.declared, deps.data));
  return { entrypoints, builtins, truths, data, heapStart: exports.opa_heap_ptr_get() >>> 0 };
}

function offered(name: string, deps: OpaInstanceDeps): HostBuiltin {
  const implementation = deps.builtin(name);
  if (implementation === undefined) throw new StepgateError("PACK_IMPORT_REFUSED", { reason: "builtin", name });
  return implementation;
}

interface Evaluation {
  readonly heapStart: number;
  readonly data: number;
  readonly entrypoint: number;
  readonly input: Uint8Array | undefined;
  readonly form: ResultForm;
}

/**
 * One evaluation, step by step: the one-shot `opa_eval` does the same, but takes an input that it cannot read for no
 * input at all, and a rule with `not input.x` would then allow.
 */
function evaluate({ exports, bytes }: Bridge, { heapStart, data, entrypoint, input, form }: Evaluation): Uint8Array {
  const length = input?.length ?? 0;
  // the input lies where the heap began; the evaluation's heap starts after it, so nothing of the last one is kept
  if (input !== undefined) bytes.write(heapStart, input);
  exports.opa_heap_ptr_set((heapStart + length + 7) & ~7);
  const context = exports.opa_eval_ctx_new();
  if (input !== undefined) {
    const parse = form === "json" ? exports.opa_json_parse : exports.opa_value_parse;
    const value = parse(heapStart, length);
    if (value === 0) throw new PolicyAbort("the input does not parse");
    exports.opa_eval_ctx_set_input(context, value);
  }
  exports.opa_eval_ctx_set_data(context, data);
  exports.opa_eval_ctx_set_entrypoint(context, entrypoint);
  if (exports.eval(context) !== 0) throw new PolicyAbort("eval failed");
  const result = exports.opa_eval_ctx_get_result(context);
  return bytes.bytesAt(form === "json" ? exports.opa_json_dump(result) : exports.opa_value_dump(result));
}

function makeMemory(declared: DeclaredMemory, maxMemoryBytes: number, startBytes = 0): WebAssembly.Memory {
  const maximum = Math.min(Math.floor(maxMemoryBytes / PAGE_BYTES), declared.maxPages ?? Number.POSITIVE_INFINITY);
  if (declared.minPages > maximum) throw new StepgateError("PACK_IMPORT_REFUSED", { reason: "memory over the cap" });
  return new WebAssembly.Memory({ initial: Math.max(declared.minPages, startBytes / PAGE_BYTES), maximum });
}

function readExports(exports: WebAssembly.Exports): OpaExports {
  const version = (name: string) => (exports[name] instanceof WebAssembly.Global ? exports[name].value : undefined);
  const minor = version("opa_wasm_abi_minor_version");
  if (version("opa_wasm_abi_version") !== 1 || (minor !== 2 && minor !== 3)) {
    throw new StepgateError("PACK_IMPORT_REFUSED", { reason: "ABI version" });
  }
  for (const name of FUNCTIONS) {
    if (typeof exports[name] !== "function") throw new StepgateError("PACK_IMPORT_REFUSED", { reason: "export", name });
  }
  return exports as WebAssembly.Exports & OpaExports;
}

/** What rules find below data: constants of the module itself, if it has any, and base documents. */
function dataOf({ constants }: DeclaredMemory, documents = "{}"): string {
  if (constants === undefined) return documents;
  return documents === "{}" ? constants : `${constants.slice(0, -1)},${documents.slice(1)}`;
}

/** Names with their numbers, as `entrypoints` and `builtins` give them. */
function readTable(json: Uint8Array): ReadonlyMap<string, number> {
  const table: JsonValue = parseJson(json);
  if (!isJsonObject(table)) throw new StepgateError("PACK_IMPORT_REFUSED", { reason: "table" });
  const names = new Map<string, number>();
  for (const [name, id] of Object.entries(table)) {
    if (!Number.isInteger(id)) throw new StepgateError("PACK_IMPORT_REFUSED", { reason: "table" });
    names.set(name, Number(id));
  }
  return names;
}

interface Bridge {
  readonly exports: OpaExports;
  readonly bytes: ModuleBytes;
}

/** Operands and result cross as value literals: JSON would lose sets and keys that are no strings. */
function callWithLiterals(
  { exports, bytes, implementation }: Bridge & { readonly implementation: TextBuiltin },
  operands: readonly number[],
): number {
  const result = implementation(operands.map((operand) => readLiteral({ exports, bytes }, operand)));
  // address 0 is undefined, which is what OPA makes of a builtin's error too when it is not strict
  return result === undefined ? 0 : writeText({ exports, bytes }, result, exports.opa_value_parse);
}

function readLiteral({ exports, bytes }: Bridge, operand: number): string {
  const dumped = exports.opa_value_dump(operand);
  const text = bytes.textAt(dumped);
  exports.opa_free(dumped);
  return text;
}

function valuesOf(
  bridge: Bridge,
  memory: WebAssembly.Memory,
  lasting: { readonly heapStart: number; readonly truths: Truths },
): ModuleValues {
  const dump = (operand: number) => readLiteral(bridge, operand);
  return makeModuleValues({ memory, malloc: bridge.exports.opa_malloc, dump, ...lasting });
}

function writeText(
  { exports, bytes }: Bridge,
  text: string,
  parse: (address: number, length: number) => number,
): number {
  const encoded = Buffer.from(text, "utf8");
  const address = exports.opa_malloc(encoded.length) >>> 0;
  bytes.write(address, encoded);
  const value = parse(address, encoded.length);
  if (value === 0) throw new PolicyAbort("a value that the module cannot read");
  return value;
}
