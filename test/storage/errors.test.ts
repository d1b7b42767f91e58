import pg from "pg";
import t from "tap";
import { StepgateError } from "../../src/core/errors.ts";
import { convertStoreError, isInDoubt, leavesConnectionUsable, type StoreMoment } from "../../src/storage/errors.ts";

const SECRET = "4111-1111-1111-1111";

function databaseError(fields: Partial<pg.DatabaseError>): pg.DatabaseError {
  return Object.assign(new pg.DatabaseError(`message with ${SECRET}`, 1, "error"), { severity: "ERROR", ...fields });
}

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

t.test("whatever the database or its driver throws becomes a code of the table", async (t) => {
  const cases: readonly { why: string; thrown: unknown; code: string; detail?: object }[] = [
    {
      why: "connection refused",
      thrown: systemError("ECONNREFUSED"),
      code: "STORE_UNAVAILABLE",
      detail: { system: "ECONNREFUSED" },
    },
    { why: "no socket", thrown: systemError("ENOENT"), code: "STORE_UNAVAILABLE" },
    {
      why: "connection terminated",
      thrown: new Error("Connection terminated unexpectedly"),
      code: "STORE_UNAVAILABLE",
    },
    { why: "no answer", thrown: new Error("Query read timeout"), code: "STORE_UNAVAILABLE" },
    { why: "admin shutdown", thrown: databaseError({ code: "57P01", severity: "FATAL" }), code: "STORE_UNAVAILABLE" },
    {
      why: "cannot connect now",
      thrown: databaseError({ code: "57P03", severity: "FATAL" }),
      code: "STORE_UNAVAILABLE",
    },
    {
      why: "too many connections",
      thrown: databaseError({ code: "53300", severity: "FATAL" }),
      code: "STORE_UNAVAILABLE",
    },
    { why: "disk full", thrown: databaseError({ code: "53100" }), code: "STORE_FULL" },
    { why: "statement timeout", thrown: databaseError({ code: "57014" }), code: "STORE_BUSY" },
    { why: "lock timeout", thrown: databaseError({ code: "55P03" }), code: "STORE_BUSY" },
    { why: "deadlock", thrown: databaseError({ code: "40P01" }), code: "STORE_BUSY" },
    { why: "serialization", thrown: databaseError({ code: "40001" }), code: "STORE_BUSY" },
    {
      why: "a constraint",
      thrown: databaseError({ code: "23505", constraint: "runs_pkey" }),
      code: "STORE_REFUSED",
      detail: { sqlState: "23505", constraint: "runs_pkey" },
    },
    { why: "bad SQL", thrown: databaseError({ code: "42601" }), code: "STORE_REFUSED" },
    { why: "an unknown state", thrown: databaseError({ code: "ZZ999" }), code: "STORE_REFUSED" },
    { why: "a value that cannot be sent", thrown: new TypeError("circular"), code: "STORE_REFUSED" },
    {
      why: "raised by a function of ours",
      thrown: databaseError({ code: "SG001" }),
      code: "STATE_TRANSITION_REFUSED",
      detail: { sqlState: "SG001" },
    },
    {
      why: "raised with ids and counts",
      thrown: databaseError({ code: "SG004", detail: '{"quota":"daily","limit":7,"row":{"a":1}}' }),
      code: "RATE_LIMITED",
      detail: { quota: "daily", limit: 7 },
    },
    {
      why: "raised with a DETAIL that is no JSON",
      thrown: databaseError({ code: "SG004", detail: SECRET }),
      code: "RATE_LIMITED",
      detail: {},
    },
    { why: "raised, but not in the table", thrown: databaseError({ code: "SG999" }), code: "STORE_REFUSED" },
    {
      why: "an error of our own",
      thrown: new StepgateError("LOG_CONFLICT", { seq: 4 }),
      code: "LOG_CONFLICT",
      detail: { seq: 4 },
    },
  ];
  for (const { why, thrown, code, detail } of cases) {
    const converted = convertStoreError(thrown, "in_transaction");
    t.equal(converted.code, code, why);
    if (detail !== undefined) t.same(converted.detail, detail, `${why}: detail`);
  }
});

t.test("no value of a row leaves with an error, neither to the caller nor to the log", async (t) => {
  const told = { detail: `Key (card)=(${SECRET}) exists`, hint: SECRET, where: SECRET, internalQuery: SECRET };
  for (const code of ["22P02", "23505", "23514", "P0001", "SG001", "XX000"]) {
    const converted = convertStoreError(databaseError({ code, ...told }), "autocommit");
    const cause = converted.cause as Error;
    const texts = [
      JSON.stringify(converted),
      JSON.stringify(converted.detail),
      JSON.stringify(cause),
      cause.message,
      cause.stack,
    ];
    t.notOk(
      texts.some((text) => text?.includes(SECRET)),
      code,
    );
    t.match(cause.message, code);
  }
});

t.test("a commit is in doubt when its answer may have been lost, and only then", async (t) => {
  const broken = new Error("Connection terminated unexpectedly");
  const crash = databaseError({ code: "57P02", severity: "FATAL" });
  const cases: readonly { why: string; thrown: unknown; moment: StoreMoment; inDoubt: boolean }[] = [
    { why: "the connection broke at commit", thrown: broken, moment: "commit", inDoubt: true },
    { why: "the connection broke in a statement of its own", thrown: broken, moment: "autocommit", inDoubt: true },
    { why: "the connection broke before commit", thrown: broken, moment: "in_transaction", inDoubt: false },
    { why: "nothing was sent", thrown: systemError("ECONNREFUSED"), moment: "connect", inDoubt: false },
    { why: "the server crashed at commit", thrown: crash, moment: "commit", inDoubt: true },
    {
      why: "the server was shut down at commit",
      thrown: databaseError({ code: "57P01", severity: "FATAL" }),
      moment: "commit",
      inDoubt: true,
    },
    {
      why: "the server says it does not know",
      thrown: databaseError({ code: "40003" }),
      moment: "commit",
      inDoubt: true,
    },
    { why: "a deferred constraint", thrown: databaseError({ code: "23503" }), moment: "commit", inDoubt: false },
    {
      why: "the same on a German server",
      thrown: databaseError({ code: "23503", severity: "FEHLER" }),
      moment: "commit",
      inDoubt: false,
    },
    {
      why: "something on a German server",
      thrown: databaseError({ code: "XX000", severity: "FEHLER" }),
      moment: "commit",
      inDoubt: true,
    },
    { why: "serialization", thrown: databaseError({ code: "40001" }), moment: "commit", inDoubt: false },
  ];
  for (const { why, thrown, moment, inDoubt } of cases)
    t.equal(isInDoubt(convertStoreError(thrown, moment)), inDoubt, why);
  t.equal(isInDoubt(new Error("another")), false);
});

t.test("a connection is used again only after a plain error of a statement", async (t) => {
  t.ok(leavesConnectionUsable(databaseError({ code: "23505" })));
  t.notOk(leavesConnectionUsable(databaseError({ code: "57P01", severity: "FATAL" })));
  t.notOk(leavesConnectionUsable(databaseError({ code: "0A000" })), "a cached plan that a migration made stale");
  t.notOk(leavesConnectionUsable(new Error("Query read timeout")));
});
