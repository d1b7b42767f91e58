import t from "tap";
import { ERROR_KINDS, isRetried } from "../../src/core/error-kind.ts";
import { ERROR_CODES, type ErrorCode, isStepgateError, StepgateError } from "../../src/core/errors.ts";

const CODES = Object.keys(ERROR_CODES) as readonly ErrorCode[];

t.test("every code has a status of its class, a retry that fits it and one sentence", async (t) => {
  for (const code of CODES) {
    const { status, retry, summary } = ERROR_CODES[code];
    t.match(code, /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/);
    t.ok(status >= 400 && status <= 599, `${code}: ${status}`);
    t.match(summary, /^[^\s].*[^\s.]$/, `${code}: no full stop, no outer space`);
    t.notMatch(summary, /[\r\n]/, `${code}: one line`);
    // a request that is wrong stays wrong; only a refusal for lack of room or luck may pass later
    if ([400, 401, 403, 404, 405, 410, 413, 415].includes(status)) t.equal(retry, "never", code);
  }
});

t.test("no two codes say the same sentence", async (t) => {
  const summaries = CODES.map((code) => ERROR_CODES[code].summary);
  t.strictSame([...new Set(summaries)].length, summaries.length);
});

t.test("an error carries code, status and detail, and keeps the cause for the log", async (t) => {
  const cause = new Error("connection refused");
  const error = new StepgateError("STORE_UNAVAILABLE", { attempts: 3 }, { cause });
  t.match(error, { name: "StepgateError", code: "STORE_UNAVAILABLE", status: 503, detail: { attempts: 3 }, cause });
  t.equal(error.message, ERROR_CODES.STORE_UNAVAILABLE.summary, "the message never holds the detail or the cause");
  t.ok(error instanceof Error);
  t.ok(isStepgateError(error));
  t.ok(isStepgateError(error, "NOT_FOUND", "STORE_UNAVAILABLE"));
  t.notOk(isStepgateError(error, "NOT_FOUND"));
  t.notOk(isStepgateError(cause));
  t.notOk(isStepgateError({ ...error, code: "STORE_UNAVAILABLE" }), "only our class counts, not its look");
});

t.test("a kind that ends a step before its attempt is neither retried nor charged", async (t) => {
  for (const [kind, row] of Object.entries(ERROR_KINDS)) {
    if (row.attempt === "no") t.match(row, { retried: "no", charged: "nothing" }, kind);
    else t.not(row.charged, "nothing", kind);
  }
  t.ok(isRetried("execution_error", true));
  t.notOk(isRetried("execution_error", false));
  t.notOk(isRetried("policy_denied", true));
  t.notOk(isRetried("output_denied", true));
});
