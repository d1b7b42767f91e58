/**
 * Go's text of a float64 (`strconv.FormatFloat`): verbs e, E, f, g, G, b, x, X, precision −1 = shortest.
 *
 * Digits come from the exact value and round half to even, as Go does; JavaScript's own toFixed rounds halves up.
 * Not here: width, flags, signs asked for (go-format.ts).
 */
export type FloatVerb = "e" | "E" | "f" | "g" | "G" | "b" | "x" | "X";

/** Significant digits without leading zeros, and the place of the decimal point: 0.d₁d₂… × 10^point. */
interface Decimal {
  readonly digits: string;
  readonly point: number;
}

/** The shortest form takes an exponent from 10^6 on, however many digits it has (strconv.formatDigits). */
const SHORTEST_THRESHOLD = 6;

/** Formats a finite number. */
export function goFloat(value: number, verb: FloatVerb, precision: number): string {
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  const size = Math.abs(value);
  switch (verb) {
    case "b": {
      const { mantissa, exponent } = binaryParts(size);
      return `${sign}${mantissa}p${exponent < 0 ? "" : "+"}${exponent}`;
    }
    case "x":
    case "X": {
      const text = hexadecimal(size, precision);
      return sign + (verb === "X" ? text.toUpperCase() : text);
    }
    case "e":
    case "E":
      return sign + exponentForm(precision < 0 ? shortest(size) : significant(size, precision + 1), precision, verb);
    case "f":
      return sign + pointForm(precision < 0 ? shortest(size) : rounded(size, precision), precision);
    case "g":
    case "G":
      return sign + generalForm(size, precision, verb === "g" ? "e" : "E");
  }
}

function generalForm(size: number, precision: number, verb: "e" | "E"): string {
  const isShortest = precision < 0;
  const wanted = precision === 0 ? 1 : precision;
  const decimal = isShortest ? shortest(size) : significant(size, wanted);
  const { digits, point } = decimal;
  const threshold = wanted > digits.length && digits.length >= point ? digits.length : wanted;
  const exponent = point - 1;
  if (exponent < -4 || exponent >= (isShortest ? SHORTEST_THRESHOLD : threshold)) {
    const places = (isShortest ? digits.length : Math.min(wanted, digits.length)) - 1;
    return exponentForm(decimal, Math.max(places, 0), verb);
  }
  const kept = isShortest || wanted > point ? digits.length : wanted;
  return pointForm(decimal, Math.max(kept - point, 0));
}

function exponentForm({ digits, point }: Decimal, precision: number, verb: "e" | "E"): string {
  const places = precision < 0 ? Math.max(digits.length - 1, 0) : precision;
  const [first = "0"] = digits;
  const rest = digits.slice(1, places + 1).padEnd(places, "0");
  const exponent = digits === "" ? 0 : point - 1;
  const power = `${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  return `${first}${places > 0 ? `.${rest}` : ""}${verb}${power}`;
}

function pointForm({ digits, point }: Decimal, precision: number): string {
  const whole = point > 0 ? digits.slice(0, point).padEnd(point, "0") : "0";
  const places = precision < 0 ? Math.max(digits.length - point, 0) : precision;
  const fraction = "0".repeat(Math.max(-point, 0)) + digits.slice(Math.max(point, 0));
  return places > 0 ? `${whole}.${fraction.slice(0, places).padEnd(places, "0")}` : whole;
}

/** The fewest digits that read back as the same number; JavaScript and Go agree on them. */
function shortest(size: number): Decimal {
  if (size === 0) return { digits: "", point: 0 };
  const [mantissa = "", exponent = "0"] = size.toExponential().split("e");
  return { digits: mantissa.replace(".", "").replace(/0+$/, ""), point: Number(exponent) + 1 };
}

/** `count` significant digits. */
function significant(size: number, count: number): Decimal {
  const { point } = shortest(size);
  // the shortest form of 9.9999999999999995e-07 is 1e-06: its exact value begins one place later
  const { numerator, denominator } = exact(size, 1 - point);
  return rounded(size, count - (numerator < denominator ? point - 1 : point));
}

/** The exact value rounded half to even after `places` decimal places (negative: before the point). */
function rounded(size: number, places: number): Decimal {
  const { numerator, denominator } = exact(size, places);
  let whole = numerator / denominator;
  const twice = (numerator % denominator) * 2n;
  if (twice > denominator || (twice === denominator && whole % 2n === 1n)) whole += 1n;
  const digits = whole === 0n ? "" : whole.toString();
  return { digits: digits.replace(/0+$/, ""), point: digits.length - places };
}

/** value × 10^places as a fraction. */
function exact(size: number, places: number): { readonly numerator: bigint; readonly denominator: bigint } {
  const { mantissa, exponent } = binaryParts(size);
  return {
    numerator: mantissa * 2n ** BigInt(Math.max(exponent, 0)) * 10n ** BigInt(Math.max(places, 0)),
    denominator: 2n ** BigInt(Math.max(-exponent, 0)) * 10n ** BigInt(Math.max(-places, 0)),
  };
}

/** value = mantissa × 2^exponent, with the 53 bits of a double. */
function binaryParts(size: number): { readonly mantissa: bigint; readonly exponent: number } {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, size);
  const bits = view.getBigUint64(0);
  const biased = Number(bits >> 52n);
  const fraction = bits & 0xfffffffffffffn;
  return biased === 0
    ? { mantissa: fraction, exponent: -1074 }
    : { mantissa: fraction | 0x10000000000000n, exponent: biased - 1075 };
}

function hexadecimal(size: number, precision: number): string {
  let { mantissa, exponent } = binaryParts(size);
  exponent = mantissa === 0n ? 0 : exponent + 52;
  mantissa <<= 8n;
  while (mantissa !== 0n && mantissa >> 60n === 0n) {
    mantissa <<= 1n;
    exponent -= 1;
  }
  if (precision >= 0 && precision < 15) {
    const dropped = BigInt(60 - precision * 4);
    const rest = mantissa & ((1n << dropped) - 1n);
    mantissa >>= dropped;
    const half = 1n << (dropped - 1n);
    if (rest > half || (rest === half && mantissa % 2n === 1n)) mantissa += 1n;
    mantissa <<= dropped;
    if (mantissa >> 61n !== 0n) {
      mantissa >>= 1n;
      exponent += 1;
    }
  }
  const all = (mantissa & ((1n << 60n) - 1n)).toString(16).padStart(15, "0");
  const fraction = precision < 0 ? all.replace(/0+$/, "") : all.slice(0, precision).padEnd(precision, "0");
  const power = `${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  return `0x${mantissa >> 60n}${fraction === "" ? "" : `.${fraction}`}p${power}`;
}
