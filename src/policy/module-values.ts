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
  /** Any value as a literal, remembered like a string. */
  readonly literalOf: (address: number) => string;
  readonly makeBoolean: (value: boolean) => number;
  readonly makeString: (bytes: Uint8Array) => number;
  readonly makeArray: (elements: readonly number[]) => number;
}

export interface ValuesDeps {
  readonly memory: WebAssembly.Memory;
  readonly malloc: (bytes: number) => number;
  readonly parse: (literal: string) => number;
  readonly dump: (address: number) => string;
}

const TYPE = { boolean: 2, number: 3, string: 4, array: 5, lastingString: 8, lastingBoolean: 9 } as const;
const NUMBER_IS_INTEGER = 1;
const BYTES = { boolean: 2, string: 12, array: 16, element: 8, number: 24 } as const;
/** Strings and literals remembered; packs have hundreds of constants, a hostile one must not fill the host's heap. */
const MAX_REMEMBERED = 2_000;

/**
 * Values of one instance, before its first evaluation.
 *
 * @throws {StepgateError} PACK_IMPORT_REFUSED when its strings and arrays are not laid out as we read them.
 */
export function makeModuleValues({ memory, malloc, parse, dump }: ValuesDeps, heapStart: () => number): ModuleValues {
  let view = new DataView(memory.buffer);
  // growing the memory replaces its buffer
  const data = (): DataView => {
    if (view.buffer !== memory.buffer) view = new DataView(memory.buffer);
    return view;
  };
  const allocate = (bytes: number): number => {
    const address = malloc(bytes) >>> 0;
    if (address === 0 || address + bytes > memory.buffer.byteLength) throw new PolicyAbort("memory that is not there");
    return address;
  };
  const bytesOf = (address: number): Uint8Array | undefined => {
    const type = data().getUint8(address);
    if (type !== TYPE.string && type !== TYPE.lastingString) return undefined;
    const length = data().getUint32(address + 4, true);
    const start = data().getUint32(address + 8, true);
    if (start + length > memory.buffer.byteLength) throw new PolicyAbort("a string outside the memory");
    return new Uint8Array(memory.buffer, start, length);
  };
  const makeBoolean = (value: boolean): number => {
    const address = allocate(BYTES.boolean);
    data().setUint8(address, TYPE.lastingBoolean);
    data().setUint8(address + 1, Number(value));
    return address;
  };
  checkLayout({ view: data(), bytesOf, address: parse('["é"]') >>> 0 });
  const [no, yes] = [makeBoolean(false), makeBoolean(true)];
  const remember = makeRemember(heapStart);
  return {
    bytesOf,
    textOf: remember((address) => {
      const bytes = bytesOf(address);
      return bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
    }),
    literalOf: remember(dump),
    makeBoolean: (value) => (value ? yes : no),
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

/** Answers from memory for what lies below the place where evaluations begin: nothing there changes any more. */
function makeRemember(heapStart: () => number) {
  return <Found>(read: (address: number) => Found): ((address: number) => Found) => {
    const remembered = new Map<number, Found>();
    return (address) => {
      const known = remembered.get(address);
      if (known !== undefined) return known;
      const found = read(address);
      if (address < heapStart() && remembered.size < MAX_REMEMBERED) remembered.set(address, found);
      return found;
    };
  };
}

function checkLayout({
  view,
  bytesOf,
  address,
}: {
  readonly view: DataView;
  readonly bytesOf: ModuleValues["bytesOf"];
  readonly address: number;
}): void {
  const word = (at: number) => view.getUint32(at, true);
  const elements = word(address + 4);
  const [number, string] = [word(elements), word(elements + 4)];
  const isAsRead =
    view.getUint8(address) === TYPE.array &&
    word(address + 8) === 1 &&
    view.getUint8(number) === TYPE.number &&
    view.getUint8(number + 1) === NUMBER_IS_INTEGER &&
    view.getBigInt64(number + 8, true) === 0n &&
    Buffer.from(bytesOf(string) ?? []).equals(Buffer.from("é"));
  if (!isAsRead) throw new StepgateError("PACK_IMPORT_REFUSED", { reason: "layout of values" });
}
