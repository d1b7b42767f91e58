/**
 * Go's `fmt.Sprintf` for what Rego's sprintf passes to it: strings, 64-bit and larger integers, doubles.
 *
 * In: a format and arguments. Out: the text, Go's words for wrong verbs and missing arguments included, since rules may
 * have been written against them. Follows fmt/print.go, fmt/format.go and math/big/intconv.go of Go 1.26, but for %p and
 * %w of integers beyond 64 bits, where Go prints an address or its own internals.
 */
import { type Directive, formatValue, type GoArgument, plain } from "./go-verbs.ts";

const FLAGS: Readonly<Record<string, "sharp" | "zero" | "plus" | "minus" | "space">> = {
  "#": "sharp",
  "0": "zero",
  "+": "plus",
  "-": "minus",
  " ": "space",
};
const MAX_NUMBER = 1_000_000;

/** Formats as `fmt.Sprintf` does. */
export function goFormat(format: string, values: readonly GoArgument[]): string {
  return new Printer([...format], values).print();
}

/** One walk over the format; fields are the state that Go keeps in its printer. */
class Printer {
  private readonly format: readonly string[];
  private readonly values: readonly GoArgument[];
  private at = 0;
  private next = 0;
  private isReordered = false;
  private isIndexGood = true;
  private isAfterIndex = false;
  private text = "";

  constructor(format: readonly string[], values: readonly GoArgument[]) {
    this.format = format;
    this.values = values;
  }

  print(): string {
    while (this.at < this.format.length) {
      const character = this.format[this.at] ?? "";
      this.at += 1;
      if (character === "%") this.directive();
      else this.text += character;
    }
    if (!this.isReordered && this.next < this.values.length) {
      const extra = this.values.slice(this.next).map((value) => `${value.type}=${formatValue(value, "v", plain())}`);
      this.text += `%!(EXTRA ${extra.join(", ")})`;
    }
    return this.text;
  }

  private directive(): void {
    this.isIndexGood = true;
    const directive = plain();
    for (;;) {
      const flag = FLAGS[this.format[this.at] ?? ""];
      if (flag === undefined) break;
      directive[flag] = true;
      this.at += 1;
    }
    this.index();
    this.width(directive);
    this.precision(directive);
    if (!this.isAfterIndex) this.index();
    const verb = this.format[this.at];
    this.at += 1;
    if (verb === undefined) this.text += "%!(NOVERB)";
    else if (verb === "%") this.text += "%";
    else if (!this.isIndexGood) this.text += `%!${verb}(BADINDEX)`;
    else this.value(verb, directive);
  }

  private value(verb: string, directive: Directive): void {
    const value = this.values[this.next];
    if (value === undefined) {
      this.text += `%!${verb}(MISSING)`;
      return;
    }
    this.text += formatValue(value, verb, directive);
    this.next += 1;
  }

  /** `[n]`: the argument to take next. */
  private index(): void {
    this.isAfterIndex = false;
    if (this.format[this.at] !== "[") return;
    this.isReordered = true;
    const close = this.format.indexOf("]", this.at + 1);
    const digits = this.format.slice(this.at + 1, Math.max(close, 0)).join("");
    // without a closing bracket only the opening one is passed over
    this.at = close < 0 ? this.at + 1 : close + 1;
    const number = close >= 0 && /^[0-9]{1,7}$/.test(digits) ? Number(digits) : undefined;
    this.isAfterIndex = number !== undefined;
    if (number !== undefined && number >= 1 && number <= this.values.length) this.next = number - 1;
    else this.isIndexGood = false;
  }

  private width(directive: Directive): void {
    if (this.format[this.at] === "*") {
      this.at += 1;
      directive.width = this.numberArgument();
      if (directive.width === undefined) this.text += "%!(BADWIDTH)";
      else if (directive.width < 0) {
        directive.width = -directive.width;
        directive.minus = true;
        directive.zero = false;
      }
      this.isAfterIndex = false;
      return;
    }
    directive.width = this.number();
    if (this.isAfterIndex && directive.width !== undefined) this.isIndexGood = false;
  }

  private precision(directive: Directive): void {
    // a point that ends the format is a verb, as in Go
    if (this.format[this.at] !== "." || this.at + 1 >= this.format.length) return;
    this.at += 1;
    if (this.isAfterIndex) this.isIndexGood = false;
    this.index();
    if (this.format[this.at] === "*") {
      this.at += 1;
      const precision = this.numberArgument();
      directive.precision = precision === undefined || precision < 0 ? undefined : precision;
      if (directive.precision === undefined) this.text += "%!(BADPREC)";
      this.isAfterIndex = false;
      return;
    }
    directive.precision = this.number() ?? 0;
  }

  /** A decimal number in the format; one that is far too long swallows the rest. */
  private number(): number | undefined {
    let number: number | undefined;
    while (/^[0-9]$/.test(this.format[this.at] ?? "")) {
      if ((number ?? 0) > MAX_NUMBER) {
        this.at = this.format.length;
        return undefined;
      }
      number = (number ?? 0) * 10 + Number(this.format[this.at]);
      this.at += 1;
    }
    return number;
  }

  private numberArgument(): number | undefined {
    const value = this.values[this.next];
    if (value === undefined) return undefined;
    this.next += 1;
    const isUsable = value.type === "int64" && value.value <= MAX_NUMBER && value.value >= -MAX_NUMBER;
    return isUsable ? Number(value.value) : undefined;
  }
}
