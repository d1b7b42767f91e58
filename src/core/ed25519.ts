/**
 * Ed25519 public keys from outside: which ones may be believed (RFC 8032 §5.1, RFC 8037).
 *
 * node:crypto takes any 32 bytes as a key, also the few under which one signature verifies for every message.
 * In: the `x` of a JWK. Out: a key, or nothing. Not here: which key is trusted for what (capability/, evidence/).
 */
import { createHash, createPublicKey, type KeyObject } from "node:crypto";

const P = 2n ** 255n - 19n;
const D = 0x52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3n;
/** The y of a point of order 8; of the others it is the negative. */
const Y_OF_ORDER_8 = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;
/** The y of the points of order 1, 2, 4 and 8; the sign bit changes nothing about the order. */
const SMALL_ORDER_Y: ReadonlySet<bigint> = new Set([1n, P - 1n, 0n, Y_OF_ORDER_8, P - Y_OF_ORDER_8]);

/**
 * Reads the `x` of an Ed25519 JWK: 32 bytes as base64url without padding, written the one way there is.
 *
 * Undefined for any other text, and for bytes that are no canonical point of the curve or one of small order.
 */
export function readEd25519Key(x: string): KeyObject | undefined {
  const bytes = Buffer.from(x, "base64url");
  if (bytes.length !== 32 || bytes.toString("base64url") !== x || !isStrongPoint(bytes)) return undefined;
  return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
}

/** The RFC 7638 thumbprint of an Ed25519 key, base64url: the `kid` under which tokens and envelopes name it. */
export function ed25519Thumbprint(x: string): string {
  return createHash("sha256").update(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`).digest("base64url");
}

/** True for the canonical encoding of a point on the curve whose order is not 1, 2, 4 or 8. */
function isStrongPoint(bytes: Buffer): boolean {
  const y = BigInt(`0x${Buffer.from(bytes).reverse().toString("hex")}`) & (2n ** 255n - 1n);
  return y < P && !SMALL_ORDER_Y.has(y) && hasX(y);
}

/** Whether x² = (y² − 1) / (d·y² + 1) has a root, by Euler's criterion (RFC 8032 §5.1.3). */
function hasX(y: bigint): boolean {
  const square = (y * y) % P;
  let base = ((square - 1n) * (D * square + 1n)) % P;
  let power = 1n;
  for (let exponent = (P - 1n) / 2n; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) power = (power * base) % P;
    base = (base * base) % P;
  }
  return power === 1n;
}
