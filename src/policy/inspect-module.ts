/**
 * What a pack's module may ask for before it is compiled: memory, tables, imports (Wasm core specification §5.5).
 *
 * In: the bytes. Out: the pages its memory needs and may have. Everything a module could take without asking
 * the host (a memory of its own, a growing table, garbage-collected objects) is refused here, so that the host's cap on
 * the imported memory bounds it. Not here: names of builtins and entrypoints, which only an instance can tell.
 */
import { StepgateError } from "../core/errors.ts";

/** What every module that OPA's compiler makes imports from `env`; `opa_println` in some versions. */
const ALLOWED_IMPORTS: ReadonlySet<string> = new Set([
  "memory",
  "opa_abort",
  "opa_println",
  "opa_builtin0",
  "opa_builtin1",
  "opa_builtin2",
  "opa_builtin3",
  "opa_builtin4",
]);
/** OPA's tables hold its C functions, a few hundred; 8 bytes an entry. */
const MAX_TABLE_ENTRIES = 100_000;
const SECTION = { custom: 0, type: 1, import: 2, table: 4, memory: 5, data: 11 } as const;
const SEGMENT = { active: 0, passive: 1, activeInMemory: 2 } as const;
const PAGE_BYTES = 65_536;
const KIND = { function: 0, memory: 2 } as const;
/** Data count, the last of Wasm 2.0; above it are tags. */
const LAST_SECTION = 12;
const FUNCTION_TYPE = 0x60;
/** i32, i64, f32, f64, v128, funcref, externref. */
const VALUE_TYPES: ReadonlySet<number> = new Set([0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f]);
const FUNCTION_REFERENCE = 0x70;
const I32_CONST = 0x41;
const END = 0x0b;

/** Values that the build took out of the rules, as one literal (wasm/toolchain/constants.go). */
const CONSTANTS_SECTION = "stepgate.constants";

/** Pages of 64 KiB, and what is to be loaded into them first. */
export interface DeclaredMemory {
  /** What it declares, or what its data needs if that is more. */
  readonly minPages: number;
  readonly maxPages: number | undefined;
  /** The module's constants as a value literal: an object below `data`; absent where it has none. */
  readonly constants?: string;
}

/**
 * Checks the module's structure and returns what it needs of memory and brings along for it.
 *
 * @throws {StepgateError} PACK_IMPORT_REFUSED with `reason` (and `name` of an import).
 */
export function inspectModule(bytes: Uint8Array): DeclaredMemory {
  const reader = new Reader(bytes);
  if (reader.uint32() !== 0x6d736100 || reader.uint32() !== 1) refuse("not a WebAssembly module");
  let memory: DeclaredMemory | undefined;
  let dataEnd = 0;
  let constants: string | undefined;
  while (!reader.isAtEnd()) {
    const id = reader.byte();
    const content = reader.section();
    switch (id) {
      case SECTION.custom:
        if (content.name() !== CONSTANTS_SECTION) continue;
        if (constants !== undefined) refuse("constants twice");
        constants = content.rest();
        break;
      case SECTION.type:
        checkTypes(content);
        break;
      case SECTION.import:
        memory = readImports(content);
        break;
      case SECTION.table:
        checkTables(content);
        break;
      case SECTION.memory:
        if (content.varuint() > 0) refuse("a memory of its own");
        break;
      case SECTION.data:
        dataEnd = readDataEnd(content);
        break;
      default:
        // the other sections of Wasm 2.0 only use what these four declare, and the engine validates them
        if (id > LAST_SECTION) refuse("an unknown section");
        continue;
    }
    if (!content.isAtEnd()) refuse("a section with bytes left over");
  }
  if (memory === undefined) return refuse("no imported memory");
  // OPA's compiler appends strings to the data without raising the minimum (open-policy-agent/npm-opa-wasm#59)
  const minPages = Math.max(memory.minPages, Math.ceil(dataEnd / PAGE_BYTES));
  return { ...memory, minPages, ...(constants === undefined ? {} : { constants }) };
}

function checkTypes(section: Reader): void {
  for (let left = section.varuint(); left > 0; left -= 1) {
    if (section.byte() !== FUNCTION_TYPE) refuse("a type that is no function");
    checkValueTypes(section);
    checkValueTypes(section);
  }
}

/** Every type in one byte: what follows stays readable, and no garbage-collected reference has a place to be named. */
function checkValueTypes(section: Reader): void {
  for (let left = section.varuint(); left > 0; left -= 1) {
    if (!VALUE_TYPES.has(section.byte())) refuse("a value type beyond Wasm 2.0");
  }
}

function readImports(section: Reader): DeclaredMemory | undefined {
  let memory: DeclaredMemory | undefined;
  for (let left = section.varuint(); left > 0; left -= 1) {
    const module = section.name();
    const name = section.name();
    const kind = section.byte();
    if (module !== "env" || !ALLOWED_IMPORTS.has(name)) refuse("import", `${module}.${name}`);
    if ((kind === KIND.memory) !== (name === "memory")) refuse("import of another kind", name);
    if (kind === KIND.function) {
      section.varuint();
    } else if (kind === KIND.memory) {
      if (memory !== undefined) refuse("two memories");
      memory = readLimits(section);
    } else {
      refuse("import of another kind", name);
    }
  }
  return memory;
}

function readLimits(section: Reader): DeclaredMemory {
  const flags = section.byte();
  // 0: minimum, 1: minimum and maximum; shared and 64-bit memories have other flags
  if (flags > 1) refuse("a shared or 64-bit memory");
  const minPages = section.varuint();
  return { minPages, maxPages: flags === 1 ? section.varuint() : undefined };
}

function checkTables(section: Reader): void {
  for (let left = section.varuint(); left > 0; left -= 1) {
    if (section.byte() !== FUNCTION_REFERENCE) refuse("a table of another kind");
    const { minPages: minEntries, maxPages: maxEntries } = readLimits(section);
    if (Math.max(minEntries, maxEntries ?? Number.POSITIVE_INFINITY) > MAX_TABLE_ENTRIES) refuse("an unbounded table");
  }
}

/** The end of the highest data segment, bytes. */
function readDataEnd(section: Reader): number {
  let end = 0;
  for (let left = section.varuint(); left > 0; left -= 1) {
    const kind = section.varuint();
    if (kind === SEGMENT.activeInMemory) section.varuint();
    else if (kind !== SEGMENT.active && kind !== SEGMENT.passive) refuse("a data segment of another kind");
    const start = kind === SEGMENT.passive ? 0 : section.constantAddress();
    end = Math.max(end, start + section.vector().length);
  }
  return end;
}

function refuse(reason: string, name?: string): never {
  throw new StepgateError("PACK_IMPORT_REFUSED", name === undefined ? { reason } : { reason, name });
}

/** A cursor over the module's bytes that never reads past its end. */
class Reader {
  private at = 0;
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  isAtEnd(): boolean {
    return this.at === this.bytes.length;
  }

  byte(): number {
    const value = this.bytes[this.at] ?? refuse("the module ends too early");
    this.at += 1;
    return value;
  }

  uint32(): number {
    return (this.byte() | (this.byte() << 8) | (this.byte() << 16) | (this.byte() << 24)) >>> 0;
  }

  /** LEB128, at most 32 bits. */
  varuint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const part = this.byte();
      value += (part & 0x7f) * 2 ** shift;
      if (part < 0x80) return value <= 0xffffffff ? value : refuse("a number out of range");
    }
    return refuse("a number out of range");
  }

  /** `i32.const n end`; addresses above 2 GiB are far over any cap. */
  constantAddress(): number {
    if (this.byte() !== I32_CONST) refuse("a data segment without a constant address");
    const address = this.varuint();
    if (this.byte() !== END) refuse("a data segment without a constant address");
    return address;
  }

  vector(): Uint8Array {
    return this.take(this.varuint());
  }

  name(): string {
    return Buffer.from(this.vector()).toString("utf8");
  }

  /** All that is left, as text. */
  rest(): string {
    return Buffer.from(this.take(this.bytes.length - this.at)).toString("utf8");
  }

  section(): Reader {
    return new Reader(this.vector());
  }

  private take(count: number): Uint8Array {
    const end = this.at + count;
    if (end > this.bytes.length) refuse("the module ends too early");
    const taken = this.bytes.subarray(this.at, end);
    this.at = end;
    return taken;
  }
}
