import t from "tap";
import {
  count,
  fields,
  instant,
  listOf,
  oneOf,
  optional,
  pattern,
  picks,
  readable,
  text,
} from "../../src/evidence/shape.ts";

const shape = fields({
  id: pattern("^[a-z]+$", "letters"),
  kind: oneOf(["a", "b"]),
  list: listOf(fields({ n: count })),
  note: optional(text),
});
const good = { id: "x", kind: "a", list: [{ n: 0 }] };

t.test("a value of the shape is returned with its absent fields undefined", async (t) => {
  t.same(shape(good, ""), { ...good, note: undefined });
  t.same(shape({ ...good, note: "n" }, ""), { ...good, note: "n" });
  t.same(picks({ id: text })({ id: "x", more: 1 }, ""), { id: "x" }, "picks leaves the rest alone");
});

t.test("anything else is refused at its place", async (t) => {
  const refusals = [
    { value: undefined, where: "" },
    { value: null, where: "" },
    { value: [], where: "" },
    { value: { ...good, more: 1 }, where: "/more" },
    { value: { ...good, id: "X" }, where: "/id" },
    { value: { ...good, id: 1 }, where: "/id" },
    { value: { kind: "a", list: [] }, where: "/id" },
    { value: { ...good, kind: "c" }, where: "/kind" },
    { value: { ...good, note: null }, where: "/note" },
    { value: { ...good, list: {} }, where: "/list" },
    { value: { ...good, list: [{ n: 1 }, { n: -1 }] }, where: "/list/1/n" },
    { value: { ...good, list: [{ n: 0.5 }] }, where: "/list/0/n" },
    { value: { ...good, list: [{ n: 2 ** 53 }] }, where: "/list/0/n" },
    { value: { ...good, list: [{ n: 1, m: 1 }] }, where: "/list/0/m" },
  ];
  for (const { value, where } of refusals) {
    t.throws(() => shape(value, ""), { code: "EVIDENCE_MALFORMED", detail: { where } }, JSON.stringify(value));
    t.equal(
      readable(() => shape(value, "")),
      undefined,
    );
  }
  const broken = () =>
    readable(() => {
      throw new RangeError("ours");
    });
  t.throws(broken, RangeError, "a fault that is no malformed file is thrown on");
});

t.test("a time is RFC 3339 in UTC with milliseconds, written the one way there is", async (t) => {
  t.equal(instant("2026-11-21T12:00:00.000Z", ""), Date.UTC(2026, 10, 21, 12));
  for (const other of [
    "2026-11-21",
    "2026-11-21T12:00:00Z",
    "2026-11-21T13:00:00.000+01:00",
    "2026-02-30T00:00:00.000Z",
    5,
  ]) {
    t.throws(() => instant(other, ""), { code: "EVIDENCE_MALFORMED" }, String(other));
  }
});
