/** Encodings and digests that OPA's compiler leaves to the host (topdown/encoding.go, topdown/crypto.go). */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { stringOperand, type ValueBuiltin } from "./on-values.ts";

const hash =
  (algorithm: string): ValueBuiltin =>
  (text) =>
    createHash(algorithm).update(stringOperand(text)).digest("hex");

const hmac =
  (algorithm: string): ValueBuiltin =>
  (text, key) =>
    createHmac(algorithm, stringOperand(key)).update(stringOperand(text)).digest("hex");

const hmacEqual: ValueBuiltin = (left, right) => {
  const [a, b] = [Buffer.from(stringOperand(left)), Buffer.from(stringOperand(right))];
  return a.length === b.length && timingSafeEqual(a, b);
};

export const ENCODING_BUILTINS: Readonly<Record<string, ValueBuiltin>> = {
  "base64url.encode_no_pad": (text) => Buffer.from(stringOperand(text)).toString("base64url"),
  "hex.encode": (text) => Buffer.from(stringOperand(text)).toString("hex"),
  "crypto.md5": hash("md5"),
  "crypto.sha1": hash("sha1"),
  "crypto.sha256": hash("sha256"),
  "crypto.hmac.md5": hmac("md5"),
  "crypto.hmac.sha1": hmac("sha1"),
  "crypto.hmac.sha256": hmac("sha256"),
  "crypto.hmac.sha512": hmac("sha512"),
  "crypto.hmac.equal": hmacEqual,
};
