/** String builtins that OPA's compiler leaves to the host (topdown/strings.go). */
import { goFormat } from "./go-format.ts";
import type { GoArgument } from "./go-verbs.ts";
import {
  arrayOperand,
  integerOperand,
  OperandError,
  stringOperand,
  stringsOperand,
  type ValueBuiltin,
} from "./on-values.ts";
import { RegoNumber, type RegoValue, regoText } from "./rego-value.ts";

const MIN_INT64 = -(2n ** 63n);
const MAX_INT64 = 2n ** 63n - 1n;

/** The text of a number decides how it is formatted: with a point or exponent it is a double (`isFloatNumber`). */
function goArgument(value: RegoValue): GoArgument {
  if (typeof value === "string") return { type: "string", value };
  if (!(value instanceof RegoNumber)) return { type: "string", value: regoText(value) };
  if (/[.eE]/.test(value.literal)) {
    const double = Number(value.literal);
    return Number.isFinite(double) ? { type: "float64", value: double } : { type: "string", value: value.literal };
  }
  const integer = BigInt(value.literal);
  const type = integer >= MIN_INT64 && integer <= MAX_INT64 ? "int64" : "*big.Int";
  return { type, value: integer };
}

const sprintf: ValueBuiltin = (format, values) => goFormat(stringOperand(format), arrayOperand(values).map(goArgument));

const anyAffixMatch =
  (matches: (text: string, affix: string) => boolean): ValueBuiltin =>
  (search, base) => {
    const texts = stringsOperand(search);
    const affixes = stringsOperand(base);
    return texts.some((text) => affixes.some((affix) => matches(text, affix)));
  };

/** Matches that do not overlap; an empty text occurs before and after every character (strings.Count). */
const count: ValueBuiltin = (text, search) => {
  const [base, wanted] = [stringOperand(text), stringOperand(search)];
  const found = wanted === "" ? [...base].length + 1 : base.split(wanted).length - 1;
  return new RegoNumber(found);
};

/** All positions, in characters, overlapping ones too. */
const indexofN: ValueBuiltin = (text, search) => {
  const [base, wanted] = [[...stringOperand(text)], [...stringOperand(search)]];
  if (wanted.length === 0) throw new OperandError("empty search");
  const positions: RegoNumber[] = [];
  for (let start = 0; start + wanted.length <= base.length; start += 1) {
    if (wanted.every((character, offset) => base[start + offset] === character)) positions.push(new RegoNumber(start));
  }
  return positions;
};

/** The first `limit` parts; a negative limit takes the last ones. */
const splitN: ValueBuiltin = (text, separator, limit) => {
  const [base, by, most] = [stringOperand(text), stringOperand(separator), integerOperand(limit)];
  const parts = by === "" ? [...base] : base.split(by);
  return most >= 0 ? parts.slice(0, most) : parts.slice(Math.max(parts.length + most, 0));
};

export const STRING_BUILTINS: Readonly<Record<string, ValueBuiltin>> = {
  sprintf,
  indexof_n: indexofN,
  "strings.any_prefix_match": anyAffixMatch((text, affix) => text.startsWith(affix)),
  "strings.any_suffix_match": anyAffixMatch((text, affix) => text.endsWith(affix)),
  "strings.count": count,
  "strings.split_n": splitN,
};
