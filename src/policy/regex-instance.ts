/**
 * One instance of the regular expression engine (wasm/toolchain/regex.wasm): patterns it compiled, texts put before it.
 *
 * RE2 runs in linear time whatever the pattern, and its memory has a maximum. Texts of several tenants pass through; only
 * RE2 reads them. An instance that threw is spent. Not here: who keeps instances (regex-engine.ts).
 */
import { PolicyAbort } from "./policy-abort.ts";

/** Matches from the left, each the whole match and then its groups. */
export type Matches = readonly (readonly Uint8Array[])[];

export interface RegexInstance {
  readonly knows: (name: string) => boolean;
  readonly isFull: () => boolean;
  readonly memoryBytes: () => number;
  readonly match: (pattern: string, text: Uint8Array) => boolean | undefined;
  readonly findAll: (pattern: string, text: Uint8Array, limit: string) => Matches | undefined;
  readonly globMatch: (pattern: string, delimiters: string, text: Uint8Array) => boolean | undefined;
}

/** Of 64 KiB; what the module declares and its first patterns need; most as much as a pack's own instance may have (pack.ts). */
const PAGES = { initial: 20, maximum: 2_048 } as const;
/**
 * Fewer than OPA's cache around RE2 holds (wasm/src/regex.cc, 100): once that is full, every call frees a pattern, and it
 * may be the one in use.
 */
const MAX_PATTERNS = 90;
const MAX_LITERALS = 90;
const TYPE_STRING = 4;
const STRING_BYTES = 12;

interface Exports {
  readonly opa_malloc: (bytes: number) => number;
  readonly opa_free: (address: number) => void;
  readonly opa_value_free: (address: number) => void;
  readonly opa_value_parse: (address: number, length: number) => number;
  readonly opa_regex_match: (pattern: number, text: number) => number;
  readonly opa_regex_find_all_string_submatch: (pattern: number, text: number, limit: number) => number;
  readonly opa_glob_match: (pattern: number, delimiters: number, text: number) => number;
}

/** What a glob is known by: with each set of delimiters it is another pattern, and none is a regular expression's text. */
export function globName(pattern: string, delimiters: string): string {
  return `\u0100${delimiters}\u0100${pattern}`;
}

/** Starts an instance of the engine. @throws {PolicyAbort} from its calls, when its memory is used up. */
export function startRegexInstance(module: WebAssembly.Module): RegexInstance {
  const memory = new WebAssembly.Memory(PAGES);
  const abort = (address: number) => {
    const bytes = new Uint8Array(memory.buffer);
    throw new PolicyAbort(Buffer.from(bytes.subarray(address, bytes.indexOf(0, address))).toString("utf8"));
  };
  const none = () => 0;
  const builtins = Object.fromEntries([0, 1, 2, 3, 4].map((operands) => [`opa_builtin${operands}`, none]));
  const env = { memory, opa_abort: abort, opa_println: none, ...builtins };
  // the digest says that this is our module, so its exports are those of wasm/toolchain/engine.go
  const exports = new WebAssembly.Instance(module, { env }).exports as WebAssembly.Exports & Exports;
  const patterns = new Map<string, number>();
  const literals = new Map<string, number>();
  let text = { address: 0, capacity: -1 };

  const write = (address: number, bytes: Uint8Array): void => {
    const data = new DataView(memory.buffer);
    data.setUint32(address, TYPE_STRING, true);
    data.setUint32(address + 4, bytes.length, true);
    data.setUint32(address + 8, address + STRING_BYTES, true);
    new Uint8Array(memory.buffer).set(bytes, address + STRING_BYTES);
    data.setUint8(address + STRING_BYTES + bytes.length, 0);
  };
  const allocate = (length: number): number => exports.opa_malloc(STRING_BYTES + length + 1) >>> 0;
  const patternAt = (pattern: string, name = pattern): number => {
    const known = patterns.get(name);
    if (known !== undefined) return known;
    const address = allocate(pattern.length);
    write(address, Buffer.from(pattern, "latin1"));
    patterns.set(name, address);
    return address;
  };
  const literalAt = (literal: string): number => {
    const known = literals.get(literal);
    if (known !== undefined) return known;
    const bytes = Buffer.from(literal);
    const copy = exports.opa_malloc(bytes.length) >>> 0;
    new Uint8Array(memory.buffer).set(bytes, copy);
    const address = exports.opa_value_parse(copy, bytes.length);
    if (address === 0) throw new PolicyAbort("a literal that the engine cannot read");
    literals.set(literal, address);
    return address;
  };
  /** The one text an instance holds; its place is kept from call to call. */
  const textAt = (bytes: Uint8Array): number => {
    if (bytes.length > text.capacity) {
      if (text.capacity >= 0) exports.opa_free(text.address);
      const capacity = Math.max(1024, 2 * bytes.length);
      text = { address: allocate(capacity), capacity };
    }
    write(text.address, bytes);
    return text.address;
  };
  const truth = (address: number): boolean | undefined =>
    address === 0 ? undefined : new DataView(memory.buffer).getUint8(address + 1) === 1;

  return {
    knows: (name) => patterns.has(name),
    isFull: () => patterns.size >= MAX_PATTERNS || literals.size >= MAX_LITERALS,
    memoryBytes: () => memory.buffer.byteLength,
    match: (pattern, bytes) => truth(exports.opa_regex_match(patternAt(pattern), textAt(bytes))),
    globMatch: (pattern, delimiters, bytes) =>
      truth(
        exports.opa_glob_match(patternAt(pattern, globName(pattern, delimiters)), literalAt(delimiters), textAt(bytes)),
      ),
    findAll: (pattern, bytes, limit) => {
      const found = exports.opa_regex_find_all_string_submatch(patternAt(pattern), textAt(bytes), literalAt(limit));
      if (found === 0) return undefined;
      const matches = elementsAt(memory, found).map((match) =>
        elementsAt(memory, match).map((at) => copyOf(memory, at)),
      );
      exports.opa_value_free(found);
      return matches;
    },
  };
}

/** Addresses of an array's elements (opa_array_t, opa_array_elem_t). */
function elementsAt(memory: WebAssembly.Memory, address: number): readonly number[] {
  const data = new DataView(memory.buffer);
  const first = data.getUint32(address + 4, true);
  return Array.from({ length: data.getUint32(address + 8, true) }, (_, index) =>
    data.getUint32(first + 8 * index + 4, true),
  );
}

function copyOf(memory: WebAssembly.Memory, address: number): Uint8Array {
  const data = new DataView(memory.buffer);
  return new Uint8Array(memory.buffer, data.getUint32(address + 8, true), data.getUint32(address + 4, true)).slice();
}
