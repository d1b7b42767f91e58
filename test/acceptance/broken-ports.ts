/**
 * Breaks one port of an object of ports at one of its calls; and lists the calls that were made.
 *
 * Ports are found by being called: functions of the object, and functions of what those answer (`signer().sign`), each
 * under its path. Nothing is listed by hand.
 */
import { StepgateError } from "../../src/core/errors.ts";

export type OnCall = (path: string, call: () => unknown) => unknown;

/** The same ports; every call of any of them passes `onCall`, which may make it or answer something else. */
export function watched<Ports extends object>(ports: Ports, onCall: OnCall, path = ""): Ports {
  return new Proxy(ports, {
    get: (target, key) => {
      const member: unknown = Reflect.get(target, key);
      return typeof key === "symbol" ? member : watchedValue(member, onCall, path === "" ? key : `${path}.${key}`);
    },
  });
}

function watchedValue(value: unknown, onCall: OnCall, path: string): unknown {
  if (typeof value === "function")
    return (...given: readonly unknown[]) =>
      watchedAnswer(
        onCall(path, () => value(...given)),
        onCall,
        `${path}()`,
      );
  return isPlain(value) && holdsPorts(value) ? watched(value, onCall, path) : value;
}

function watchedAnswer(answer: unknown, onCall: OnCall, path: string): unknown {
  return answer instanceof Promise
    ? answer.then((value: unknown) => watchedValue(value, onCall, path))
    : watchedValue(answer, onCall, path);
}

function isPlain(value: unknown): value is object {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function holdsPorts(value: object): boolean {
  return Object.values(value).some((member) => typeof member === "function" || (isPlain(member) && holdsPorts(member)));
}

export interface Fault {
  readonly name: string;
  /** In place of the call: what it answers, or throws. `call` makes the real one. */
  readonly act: (call: () => unknown, isAsync: boolean) => unknown;
}

const never = new Promise<never>(() => undefined);
const answering = (name: string, answer: unknown): Fault => ({
  name,
  act: (_call, isAsync) => (isAsync ? Promise.resolve(answer) : answer),
});
const failing = (name: string, error: () => Error): Fault => ({
  name,
  act: (_call, isAsync) => {
    if (isAsync) return Promise.reject(error());
    throw error();
  },
});

/** Answers of another form: none of them is what any port may say, but for those that `isRight` tells apart. */
export const WRONG_ANSWERS: readonly unknown[] = [
  null,
  true,
  "yes",
  Number.NaN,
  {},
  [],
  [{}],
  [true],
  { ok: true },
  { kind: "continue" },
  Promise.resolve({ ok: true }),
];

export const FAULTS: readonly Fault[] = [
  failing("throws", () => new TypeError("broken")),
  failing("disk full", () => new StepgateError("STORE_FULL", { sqlState: "53100" })),
  { name: "hangs", act: () => never },
  answering("answers undefined", undefined),
  ...WRONG_ANSWERS.map((answer) => answering(`answers ${nameOf(answer)}`, answer)),
];

/** For what is durable: it was done, and the answer was lost. */
export const LOST_ANSWERS: readonly Fault[] = [
  {
    name: "is done and throws",
    act: async (call) => {
      await call();
      throw new StepgateError("STORE_UNAVAILABLE", { inDoubt: true });
    },
  },
  {
    name: "is done and hangs",
    act: async (call) => {
      await call();
      return never;
    },
  },
];

function nameOf(answer: unknown): string {
  if (answer instanceof Promise) return "a promise";
  return typeof answer === "number" ? String(answer) : JSON.stringify(answer);
}
