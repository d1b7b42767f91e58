import fc from "fast-check";
import t from "tap";
import { usdMicrosOf, usdText } from "../../src/core/amount.ts";

t.test("reads decimal USD exactly, as number or text", async (t) => {
  const read: readonly (readonly [usd: number | string, micros: number])[] = [
    [0, 0],
    ["0", 0],
    [1, 1_000_000],
    [1.5, 1_500_000],
    ["1.5", 1_500_000],
    [0.1, 100_000],
    [0.000001, 1],
    ["0.000001", 1],
    ["00012.340000", 12_340_000],
    [1e-5, 10],
    [1.2e-5, 12],
    [0.29, 290_000],
    [4.35, 4_350_000],
    ["9007199254.740991", Number.MAX_SAFE_INTEGER],
  ];
  for (const [usd, micros] of read) t.equal(usdMicrosOf(usd), micros, JSON.stringify(usd));
});

t.test("refuses amounts that are negative, too fine, too large or not decimal", async (t) => {
  const refused = [
    -1,
    "-1",
    -0.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    1e-7,
    1.5e-6,
    0.1234567,
    "0.1234567",
    1e21,
    "9007199254.740992",
    "99999999999999999",
    "",
    " 1",
    "1 ",
    "1.",
    ".5",
    "1,5",
    "1e3",
    "+1",
    "0x1",
    "１",
  ];
  for (const usd of refused) t.throws(() => usdMicrosOf(usd), { code: "MONEY_INVALID" }, JSON.stringify(usd));
});

t.test("writes the shortest exact text, which reads back as the same amount", async (t) => {
  t.equal(usdText(0), "0");
  t.equal(usdText(1_500_000), "1.5");
  t.equal(usdText(1), "0.000001");
  t.equal(usdText(12_000_000), "12");
  fc.assert(
    fc.property(fc.maxSafeNat(), (micros) => usdMicrosOf(usdText(micros)) === micros),
    { numRuns: 500 },
  );
});
