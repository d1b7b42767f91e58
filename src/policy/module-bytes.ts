/**
 * Bytes in a module's memory: an input written, an answer read up to its NUL.
 *
 * An address outside the memory ends the evaluation. Not here: what the bytes mean (opa-instance.ts, module-values.ts).
 */
import { PolicyAbort } from "./policy-abort.ts";

const PAGE_BYTES = 65_536;

export interface ModuleBytes {
  readonly write: (address: number, content: Uint8Array) => void;
  /** The bytes up to the next NUL. */
  readonly bytesAt: (address: number) => Uint8Array;
  readonly textAt: (address: number) => string;
}

export function makeBytes(memory: WebAssembly.Memory): ModuleBytes {
  const bytesAt = (address: number): Uint8Array => {
    const all = new Uint8Array(memory.buffer);
    const start = address >>> 0;
    const end = start === 0 ? -1 : all.indexOf(0, start);
    if (end < 0) throw new PolicyAbort("an answer outside the memory");
    return all.subarray(start, end);
  };
  return {
    bytesAt,
    textAt: (address) => Buffer.from(bytesAt(address)).toString("utf8"),
    write: (address, content) => {
      const missing = address + content.length - memory.buffer.byteLength;
      if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
      new Uint8Array(memory.buffer, address, content.length).set(content);
    },
  };
}
