/**
 * Many replacements in one pass over a text, as `strings.replace_n` makes them (wasm/src/strings.c, Go's strings.Replacer
 * with keys in order): at each place the shortest key that is there; what was put in is not read again.
 *
 * In: keys and what replaces them, as bytes. Out: a function from text to text. Not here: values (hosted.ts).
 */
import { PolicyAbort } from "../policy-abort.ts";

/** The replaced bytes, valid until the next call; undefined when nothing was replaced. */
export type Replacer = (text: Uint8Array) => Uint8Array | undefined;

type Entry = readonly [key: Uint8Array, value: Uint8Array];

/** Of all keys together: 1 000 × what packs have; a tree takes some 30 bytes for each. */
const MAX_KEY_BYTES = 4 * 1024 * 1024;
const BYTES = 256;
const NOTHING = -1;
/** A shorter stretch is copied faster byte by byte. */
const SHORT = 24;

/** Builds the tree of the keys. @throws {PolicyAbort} out of memory, for more of them than anybody can mean. */
export function makeReplacer(entries: readonly Entry[]): Replacer {
  const keyBytes = entries.reduce((sum, [key]) => sum + key.length, 0);
  if (keyBytes > MAX_KEY_BYTES) throw new PolicyAbort("opa_malloc: too many replacements");
  const finder = makeFinder(entries, keyBytes);
  const empty = entries.find(([key]) => key.length === 0)?.[1];
  const output = makeOutput();
  return (text) => {
    output.begin(text);
    for (let at = 0; at < text.length; ) {
      // the empty key comes first in order, and stands before every other find and every byte
      if (empty !== undefined) output.put(at, 0, empty);
      const place = finder.next(text, at);
      const entry = place === NOTHING ? undefined : entries[finder.entry()];
      if (empty !== undefined && place !== at) at += 1;
      else if (entry === undefined) break;
      else {
        output.put(place, entry[0].length, entry[1]);
        at = place + entry[0].length;
      }
    }
    if (empty !== undefined) output.put(text.length, 0, empty);
    return output.end();
  };
}

/** Where the next key is, and whose. A tree in flat arrays: nodes by number, edges in one hash table. */
function makeFinder(entries: readonly Entry[], keyBytes: number) {
  const bits = Math.max(4, Math.ceil(Math.log2(2 * keyBytes + 1)));
  const mask = (1 << bits) - 1;
  const [edges, targets] = [new Int32Array(1 << bits), new Int32Array(1 << bits)];
  const ends = new Int32Array(keyBytes + 2).fill(NOTHING);
  // one bit for each pair of bytes that a key can begin with: at most places of a text nothing more is looked at
  const pairs = new Int32Array((BYTES * BYTES) / 32);
  const slotOf = (edge: number): number => {
    let slot = Math.imul(edge, 0x9e3779b1) >>> (32 - bits);
    while (edges[slot] !== 0 && edges[slot] !== edge) slot = (slot + 1) & mask;
    return slot;
  };
  const allow = (first: number, second: number) => {
    const pair = first * BYTES + second;
    pairs[pair >>> 5] = (pairs[pair >>> 5] ?? 0) | (1 << (pair & 31));
  };
  // keys of one byte: they are the shortest, so that nothing else has to be looked at
  const singles = new Int32Array(BYTES).fill(NOTHING);
  let nodes = 1;
  for (const [index, [key]] of entries.entries()) {
    const [first, second] = key;
    if (first === undefined) continue;
    if (second !== undefined) allow(first, second);
    else {
      singles[first] = index;
      for (let any = 0; any < BYTES; any += 1) allow(first, any);
    }
    let node = 1;
    for (const byte of key) {
      const edge = node * BYTES + byte;
      const slot = slotOf(edge);
      if (edges[slot] === 0) {
        edges[slot] = edge;
        nodes += 1;
        targets[slot] = nodes;
      }
      node = targets[slot] ?? 0;
    }
    ends[node] = index;
  }
  let entry = NOTHING;
  /** The first end on the way down is the shortest key, which is first in order too. */
  const isAt = (text: Uint8Array, start: number): boolean => {
    entry = singles[text[start] ?? 0] ?? NOTHING;
    if (entry !== NOTHING) return true;
    let node = 1;
    for (let at = start; at < text.length && node !== 0; at += 1) {
      node = targets[slotOf(node * BYTES + (text[at] ?? 0))] ?? 0;
      entry = ends[node] ?? NOTHING;
      if (entry !== NOTHING) return true;
    }
    return false;
  };
  return {
    entry: () => entry,
    next: (text: Uint8Array, from: number): number => {
      const last = text.length - 1;
      const table = pairs;
      let byte = text[from] ?? 0;
      for (let at = from; at < last; at += 1) {
        const following = text[at + 1] ?? 0;
        const pair = (byte << 8) | following;
        if (((table[pair >>> 5] ?? 0) & (1 << (pair & 31))) !== 0 && isAt(text, at)) return at;
        byte = following;
      }
      return from <= last && isAt(text, last) ? last : NOTHING;
    },
  };
}

/** The text as it becomes: what lies between two replacements is copied when the second one comes. */
function makeOutput() {
  let bytes = new Uint8Array(1024);
  let source = new Uint8Array();
  let [length, copied] = [0, 0];
  let isReplaced = false;
  const copy = (from: Uint8Array, start: number, end: number): void => {
    const needed = length + end - start;
    if (needed > bytes.length) {
      const larger = new Uint8Array(2 * needed);
      larger.set(bytes.subarray(0, length));
      bytes = larger;
    }
    if (end - start > SHORT) bytes.set(from.subarray(start, end), length);
    else for (let at = start; at < end; at += 1) bytes[length + at - start] = from[at] ?? 0;
    length = needed;
  };
  return {
    begin: (text: Uint8Array): void => {
      source = text as Uint8Array<ArrayBuffer>;
      [length, copied, isReplaced] = [0, 0, false];
    },
    /** Puts a value in the place of `replaced` bytes. */
    put: (at: number, replaced: number, value: Uint8Array): void => {
      isReplaced = true;
      copy(source, copied, at);
      copy(value, 0, value.length);
      copied = at + replaced;
    },
    end: (): Uint8Array | undefined => {
      if (!isReplaced) return undefined;
      copy(source, copied, source.length);
      return bytes.subarray(0, length);
    },
  };
}
