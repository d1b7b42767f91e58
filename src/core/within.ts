/**
 * A bound on waiting: a part that does not answer is given up, so that what waits for it is never lost (spec 01, A19).
 *
 * What comes later is ignored. Not here: bounds of the database's own (storage/pool.ts), which are shorter.
 */
import { StepgateError } from "./errors.ts";

/** Waits for `work` at most `maxMs`. @throws {StepgateError} ANSWER_OVERDUE naming the part; else what `work` throws. */
export function within<Result>(maxMs: number, part: string, work: Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new StepgateError("ANSWER_OVERDUE", { part, max_ms: maxMs })), maxMs);
    Promise.resolve(work).then(
      (result) => {
        clearTimeout(timer);
        resolve(result);
      },
      (caught: unknown) => {
        clearTimeout(timer);
        reject(caught);
      },
    );
  });
}

/** The same port; every answer of it is waited for at most `maxMs`. For ports all of whose members are asynchronous. */
export function withinEach<Port extends object>(maxMs: number, port: Port): Port {
  return new Proxy(port, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      return (...given: readonly unknown[]) => within(maxMs, String(name), member.apply(target, given));
    },
  });
}
