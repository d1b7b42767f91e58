/**
 * Values in a module's memory, read and made where they lie: what crosses to a builtin without becoming a literal.
 *
 * In: addresses of values. Out: bytes of strings, addresses of new values. The layouts are those of OPA's Wasm runtime
 * (wasm/src/value.h, 32-bit); a module that lays out otherwise is refused when it starts. What a module says about itself
 * is not believed: an address or a length outside its memory ends the evaluation. Not here: what builtins do.
 */
import { StepgateError } from "../core/errors.ts";
import { PolicyAbort } from "./policy-abort.ts";

export interface ModuleValues {
  /** A string's bytes, valid until the module runs again; undefined for a value of another type. */
  readonly bytesOf: (address: number) => Uint8Array | undefined;
  /** The same as one character a byte, remembered for strings that last as long as the module. */
  readonly textOf: (address: number) => string | undefined;
  /** An object's members when all are strings under strings, as addresses; undefined for any other value. */
  readonly textsOf: (address: number) => readonly (readonly [key: number, value: number])[] | undefined;
  /** Whether a value stays as it is for as long as the module: it was there before the first evaluation. */
  readonly lasts: (address: number) => boolean;
  /** Any value as a literal, remembered like a string. */
  readonly literalOf: (address: number) => string;
  readonly makeBoolean: (value: boolean) => number;
  readonly makeString: (bytes: Uint8Array) => number;
  readonly makeArray: (elements: readonly number[]) => number;
}

/** Addresses of false and true: as in compiled rules, there is one of each. */
export type Truths = readonly [no: number, yes: number];

interface Allocation {
  readonly memory: WebAssembly.Memory;
  readonly malloc: (bytes: number) => number;
}

const TYPE = { boolean: 2, number: 3, string: 4, array: 5, object: 6, lastingString: 8, lastingBoolean: 9 } as const;
const NUMBER_IS_INTEGER = 1;
const BYTES = { boolean: 2, string: 12, array: 16, element: 8, number: 24 } as const;
/** Strings and literals remembered; packs have hundreds of constants, a hostile one must not fill the host's heap. */
const MAX_REMEMBERED = 2_000;

/** Values of one instance; what lies below `heapStart` stays as it is. */
export function makeModuleValues(
  deps: Allocation & {
    readonly dump: (address: number) => string;
    readonly heapStart: number;
    readonly truths: Truths;
  },
): ModuleValues {
  const { memory, heapStart, truths } = deps;
  const data = makeView(memory);
  const allocate = makeAllocate(deps);
  const { bytesOf, textsOf } = makeReader(memory, data);
  const remember = makeRemember(heapStart);
  return {
    bytesOf,
    textOf: remember((address) => {
      const bytes = bytesOf(address);
      return bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
    }),
    literalOf: remember(deps.dump),
    textsOf,
    lasts: (address) => address < heapStart,
    makeBoolean: (value) => truths[value ? 1 : 0],
    makeString: (bytes) => {
      const address = allocate(BYTES.string + bytes.length + 1);
      const start = address + BYTES.string;
      data().setUint16(address, TYPE.string, true);
      data().setUint32(address + 4, bytes.length, true);
      data().setUint32(address + 8, start, true);
      new Uint8Array(memory.buffer).set(bytes, start);
      data().setUint8(start + bytes.length, 0);
      return address;
    },
    makeArray: (elements) => {
      const address = allocate(BYTES.array + elements.length * (BYTES.element + BYTES.number));
      const first = address + BYTES.array;
      const indices = first + elements.length * BYTES.element;
      data().setUint32(address, TYPE.array, true);
      for (const [at, value] of [first, elements.length, elements.length].entries())
        data().setUint32(address + 4 + 4 * at, value, true);
      for (const [index, element] of elements.entries()) {
        const number = indices + index * BYTES.number;
        data().setUint16(number, TYPE.number | (NUMBER_IS_INTEGER << 8), true);
        data().setBigInt64(number + 8, BigInt(index), true);
        data().setUint32(first + index * BYTES.element, number, true);
        data().setUint32(first + index * BYTES.element + 4, element, true);
      }
      return address;
    },
  };
}

/** A view that follows the memory: growing it replaces its buffer. */
function makeView(memory: WebAssembly.Memory): () => DataView {
  let view = new DataView(memory.buffer);
  return () => {
    if (view.buffer !== memory.buffer) view = new DataView(memory.buffer);
    return view;
  };
}

function makeAllocate({ memory, malloc }: Allocation): (bytes: number) => number {
  return (bytes) => {
    const address = malloc(bytes) >>> 0;
    if (address === 0 || address + bytes > memory.buffer.byteLength) throw new PolicyAbort("memory that is not there");
    return address;
  };
}

type Reader = Pick<ModuleValues, "bytesOf" | "textsOf">;

function makeReader(memory: WebAssembly.Memory, data: () => DataView): Reader {
  const bytesOf = (address: number): Uint8Array | undefined => {
    const type = data().getUint8(address);
    if (type !== TYPE.string && type !== TYPE.lastingString) return undefined;
    const length = data().getUint32(address + 4, true);
    const start = data().getUint32(address + 8, true);
    if (start + length > memory.buffer.byteLength) throw new PolicyAbort("a string outside the memory");
    return new Uint8Array(memory.buffer, start, length);
  };
  const textsOf: ModuleValues["textsOf"] = (address) => {
    if (data().getUint8(address) !== TYPE.object) return undefined;
    const word = (at: number) => data().getUint32(at, true);
    const [buckets, bucketCount, size] = [word(address + 4), word(address + 8), word(address + 12)];
    const texts: (readonly [number, number])[] = [];
    for (let bucket = 0; bucket < bucketCount; bucket += 1) {
      for (let element = word(buckets + 4 * bucket); element !== 0; element = word(element + 8)) {
        const [key, value] = [word(element), word(element + 4)];
        if (bytesOf(key) === undefined || bytesOf(value) === undefined) return undefined;
        if (texts.push([key, value]) > size) throw new PolicyAbort("an object with more members than it says");
      }
    }
    return texts;
  };
  return { bytesOf, textsOf };
}

/**
 * Makes false and true in a module that has just started.
 *
 * @throws {StepgateError} PACK_IMPORT_REFUSED when its values are not laid out as we read them.
 */
export function makeTruths(deps: Allocation & { readonly parse: (literal: string) => number }): Truths {
  const data = makeView(deps.memory);
  const address = deps.parse('[{"k":"é"}]') >>> 0;
  checkLayout({ view: data(), address, ...makeReader(deps.memory, data) });
  const make = (value: number): number => {
    const truth = makeAllocate(deps)(BYTES.boolean);
    data().setUint16(truth, TYPE.lastingBoolean | (value << 8), true);
    return truth;
  };
  return [make(0), make(1)];
}

/** Answers from memory for what lies below the place where evaluations begin: nothing there changes any more. */
function makeRemember(heapStart: number) {
  return <Found>(read: (address: number) => Found): ((address: number) => Found) => {
    const remembered = new Map<number, Found>();
    return (address) => {
      const known = remembered.get(address);
      if (known !== undefined) return known;
      const found = read(address);
      if (address < heapStart && remembered.size < MAX_REMEMBERED) remembered.set(address, found);
      return found;
    };
  };
}

function checkLayout({
  view,
  bytesOf,
  textsOf,
  address,
}: Reader & {
  readonly view: DataView;
  readonly address: number;
}): void {
  const word = (at: number) => view.getUint32(at, true);
  const elements = word(address + 4);
  const [number, object] = [word(elements), word(elements + 4)];
  const [[key, value] = []] = textsOf(object) ?? [];
  const isText = (at: number | undefined, text: string) =>
    at !== undefined && Buffer.from(bytesOf(at) ?? []).toString() === text;
  const isAsRead =
    view.getUint8(address) === TYPE.array &&
    word(address + 8) === 1 &&
    view.getUint8(number) === TYPE.number &&
    view.getUint8(number + 1) === NUMBER_IS_INTEGER &&
    view.getBigInt64(number + 8, true) === 0n &&
    isText(key, "k") &&
    isText(value, "é");
  if (!isAsRead) throw new StepgateError("PACK_IMPORT_REFUSED", { reason: "layout of values" });
}
