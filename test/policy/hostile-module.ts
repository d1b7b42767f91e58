/**
 * Modules that OPA's compiler would never make, byte by byte: what a hostile pack could bring (Wasm core spec §5).
 *
 * In: what is to be wrong. Out: a module that exports all of OPA's ABI and answers with a fixed text, but for that.
 */
export interface Hostile {
  /** JSON text of the result set. */
  readonly result?: string;
  /** JSON texts of the two tables. */
  readonly entrypoints?: string;
  readonly builtins?: string;
  readonly abi?: readonly [version: number, minor: number];
  /** Instructions of `eval`, which must leave one i32. */
  readonly evalCode?: readonly number[];
  /** Instructions of the start function. */
  readonly startCode?: readonly number[];
  readonly missingExport?: string;
  /** Functions imported beside `env.opa_abort`. */
  readonly imports?: readonly (readonly [module: string, name: string])[];
  readonly memoryLimits?: readonly number[];
  readonly memoryImport?: readonly [module: string, name: string];
  /** A whole section (id, then content) put in its place. */
  readonly section?: readonly [id: number, content: readonly number[]];
}

export const RESULT_ADDRESS = 4096;
const BUILTINS_ADDRESS = 1024;
const ENTRYPOINTS_ADDRESS = 2048;
const HEAP_ADDRESS = 65_536;
const I32 = 0x7f;

export const code = {
  constant: (value: number) => [0x41, ...signed(value)],
  /** `opa_abort(address)`; import 0. */
  abort: (address: number) => [0x41, ...signed(address), 0x10, 0x00],
  forever: [0x03, 0x40, 0x0c, 0x00, 0x0b],
  /** Asks for 16 pages again and again, whatever the answer. */
  growForever: [0x03, 0x40, 0x41, 0x10, 0x40, 0x00, 0x1a, 0x0c, 0x00, 0x0b],
  unreachable: [0x00],
  /** memory[address] += 1, a byte. */
  increment: (address: number) => [
    ...[0x41, ...signed(address), 0x41, ...signed(address), 0x2d, 0x00, 0x00],
    ...[0x41, 0x01, 0x6a, 0x3a, 0x00, 0x00],
  ],
} as const;

/** Name, parameters, results, body. */
type Export = readonly [name: string, parameters: number, results: 0 | 1, body: readonly number[]];

export function hostileModule(hostile: Hostile): Uint8Array<ArrayBuffer> {
  const exported = exportsOf(hostile).filter(([name]) => name !== hostile.missingExport);
  const functions: readonly Export[] = [...exported, ["start", 0, 0, hostile.startCode ?? []]];
  const imports = hostile.imports ?? [];
  const firstFunction = imports.length + 1;
  const sections: (readonly [number, readonly number[]])[] = [
    // type 0 is opa_abort's; every function has its own after it
    [1, vector([[0x60, 1, I32, 0], ...functions.map(functionType)])],
    [
      2,
      vector([...importEntries(hostile), ...imports.map(([module, name]) => [...text(module), ...text(name), 0, 0])]),
    ],
    [3, vector(functions.map((_, index) => unsigned(index + 1)))],
    [6, vector((hostile.abi ?? [1, 3]).map((value) => [I32, 0, ...code.constant(value), 0x0b]))],
    [7, vector([...functionExports(exported, firstFunction), ...globalExports()])],
    ...(hostile.startCode === undefined ? [] : ([[8, unsigned(firstFunction + exported.length)]] as const)),
    [10, vector(functions.map(([, , , body]) => sized([0, ...body, 0x0b])))],
    [11, vector(dataOf(hostile))],
  ];
  const extra = hostile.section;
  const all = extra === undefined ? sections : [...sections.filter(([id]) => id !== extra[0]), extra];
  const ordered = all.sort(([a], [b]) => a - b);
  return Uint8Array.from([
    0,
    0x61,
    0x73,
    0x6d,
    1,
    0,
    0,
    0,
    ...ordered.flatMap(([id, content]) => [id, ...sized(content)]),
  ]);
}

function exportsOf({ evalCode }: Hostile): readonly Export[] {
  const same = [0x20, 0x00];
  return [
    ["opa_eval_ctx_new", 0, 1, code.constant(8)],
    ["opa_eval_ctx_set_input", 2, 0, []],
    ["opa_eval_ctx_set_data", 2, 0, []],
    ["opa_eval_ctx_set_entrypoint", 2, 0, []],
    ["opa_eval_ctx_get_result", 1, 1, code.constant(RESULT_ADDRESS)],
    ["eval", 1, 1, evalCode ?? code.constant(0)],
    ["opa_heap_ptr_set", 1, 0, []],
    ["opa_malloc", 1, 1, code.constant(HEAP_ADDRESS)],
    ["opa_free", 1, 0, []],
    ["opa_heap_ptr_get", 0, 1, code.constant(HEAP_ADDRESS)],
    ["opa_json_parse", 2, 1, code.constant(8)],
    ["opa_json_dump", 1, 1, same],
    ["opa_value_parse", 2, 1, code.constant(8)],
    ["opa_value_dump", 1, 1, same],
    ["builtins", 0, 1, code.constant(BUILTINS_ADDRESS)],
    ["entrypoints", 0, 1, code.constant(ENTRYPOINTS_ADDRESS)],
  ];
}

function functionType([, parameters, results]: Export): readonly number[] {
  return [0x60, parameters, ...Array<number>(parameters).fill(I32), results, ...Array<number>(results).fill(I32)];
}

function importEntries({ memoryLimits, memoryImport }: Hostile): readonly (readonly number[])[] {
  const [module, name] = memoryImport ?? ["env", "memory"];
  return [
    [...text("env"), ...text("opa_abort"), 0, 0],
    [...text(module), ...text(name), 2, ...(memoryLimits ?? [0, 2])],
  ];
}

function functionExports(exported: readonly Export[], firstFunction: number): readonly (readonly number[])[] {
  return exported.map(([name], index) => [...text(name), 0, ...unsigned(firstFunction + index)]);
}

function globalExports(): readonly (readonly number[])[] {
  return ["opa_wasm_abi_version", "opa_wasm_abi_minor_version"].map((name, index) => [...text(name), 3, index]);
}

function dataOf({ result, entrypoints, builtins }: Hostile): readonly (readonly number[])[] {
  const segment = (address: number, content: string) => {
    const bytes = [...Buffer.from(content), 0];
    return [0, ...code.constant(address), 0x0b, ...sized(bytes)];
  };
  return [
    segment(BUILTINS_ADDRESS, builtins ?? "{}"),
    segment(ENTRYPOINTS_ADDRESS, entrypoints ?? '{"stepgate/hostile/decision":0}'),
    segment(RESULT_ADDRESS, result ?? '[{"result":{"effect":"allow"}}]'),
  ];
}

function vector(items: readonly (readonly number[])[]): readonly number[] {
  return [...unsigned(items.length), ...items.flat()];
}

function sized(content: readonly number[]): readonly number[] {
  return [...unsigned(content.length), ...content];
}

function text(value: string): readonly number[] {
  return sized([...Buffer.from(value)]);
}

/** LEB128. */
export function unsigned(value: number): readonly number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(Math.floor(value / 0x80))];
}

function signed(value: number): readonly number[] {
  const low = value & 0x7f;
  const rest = value >> 7;
  const isLast = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
  return isLast ? [low] : [low | 0x80, ...signed(rest)];
}
