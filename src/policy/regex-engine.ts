/**
 * RE2 for packs: OPA's own build of it in instances that keep the patterns they compiled, for all packs of a thread.
 *
 * In: patterns and texts as bytes. Out: what `regex.match`, `regex.find_all_string_submatch_n` and `glob.match` answer inside
 * a compiled pack, to the byte, since it is the same code. Not here: one instance (regex-instance.ts), the values of a pack's
 * module (module-values.ts), the builtins (builtins/hosted.ts).
 */
import { globName, type Matches, type RegexInstance, startRegexInstance } from "./regex-instance.ts";

/** Undefined is undefined, as for a pattern that is none. Patterns are one character a byte, the others literals. */
export interface RegexEngine {
  readonly match: (pattern: string, text: Uint8Array) => boolean | undefined;
  /** At most `limit` matches, all for −1. */
  readonly findAll: (pattern: string, text: Uint8Array, limit: string) => Matches | undefined;
  /** Delimiters are `null` or an array of strings. */
  readonly globMatch: (pattern: string, delimiters: string, text: Uint8Array) => boolean | undefined;
}

/** Instances side by side; the oldest goes with its patterns. The product's packs together have about 200 patterns. */
const MAX_INSTANCES = 4;
/** An instance that grew beyond this is not kept: Wasm memory never shrinks. */
const MAX_IDLE_BYTES = 48 * 1024 * 1024;

/** Wraps the compiled engine; an instance starts in about a millisecond, at the first call. */
export function makeRegexEngine(module: WebAssembly.Module): RegexEngine {
  const instances: RegexInstance[] = [];
  const drop = (instance: RegexInstance): void => {
    if (instances.includes(instance)) instances.splice(instances.indexOf(instance), 1);
  };
  const start = (): RegexInstance => {
    const instance = startRegexInstance(module);
    instances.push(instance);
    if (instances.length > MAX_INSTANCES) instances.shift();
    return instance;
  };
  const attempt = <Found>(instance: RegexInstance, work: (instance: RegexInstance) => Found): Found => {
    let isSound = false;
    try {
      const found = work(instance);
      isSound = true;
      return found;
    } finally {
      if (!isSound || instance.memoryBytes() > MAX_IDLE_BYTES) drop(instance);
    }
  };
  const ask = <Found>(name: string, work: (instance: RegexInstance) => Found): Found => {
    const newest = instances.at(-1);
    const holder = instances.find((one) => one.knows(name)) ?? (newest?.isFull() === false ? newest : undefined);
    if (holder === undefined) return attempt(start(), work);
    try {
      return attempt(holder, work);
    } catch {
      // what earlier texts left behind must not fail this one; in an instance of its own it fails by itself or not at all
      return attempt(start(), work);
    }
  };
  return {
    match: (pattern, text) => ask(pattern, (instance) => instance.match(pattern, text)),
    findAll: (pattern, text, limit) => ask(pattern, (instance) => instance.findAll(pattern, text, limit)),
    globMatch: (pattern, delimiters, text) =>
      ask(globName(pattern, delimiters), (instance) => instance.globMatch(pattern, delimiters, text)),
  };
}
