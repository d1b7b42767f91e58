/**
 * Values that a sample is filled with: new ones for each run, so that nothing can pass by knowing them.
 */
import { randomBytes, randomInt } from "node:crypto";

/** `nonce`, `email`, and `card`: 16 digits that pass the checksum of payment cards (ISO/IEC 7812-1, annex B). */
export function makeSampleValues(): { readonly nonce: string; readonly email: string; readonly card: string } {
  const nonce = `n${randomBytes(6).toString("hex")}`;
  return { nonce, email: `${randomWord()}.${randomWord()}@${randomWord()}.example.com`, card: makeCardNumber() };
}

function randomWord(): string {
  return Array.from({ length: 7 }, () => "abcdefghijklmnopqrstuvwxyz"[randomInt(26)]).join("");
}

function makeCardNumber(): string {
  const digits = [4, ...Array.from({ length: 14 }, () => randomInt(10))];
  // counted from the check digit: every second digit doubled, its digits summed
  const sum = digits.reduce((total, digit, at) => {
    const doubled = at % 2 === 0 ? digit * 2 : digit;
    return total + (doubled > 9 ? doubled - 9 : doubled);
  }, 0);
  return [...digits, (10 - (sum % 10)) % 10].join("");
}
