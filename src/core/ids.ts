/**
 * Identifiers: branded strings, and the makers that tests replace.
 *
 * Here: the brands, their patterns, UUIDv7 (RFC 9562 §5.7) and UUIDv5 (§5.5). Not here: who may name what (runs/).
 */
import { createHash, randomBytes } from "node:crypto";
import type { Clock } from "./clock.ts";

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type TenantUid = Branded<"TenantUid">;
export type RunUid = Branded<"RunUid">;
export type StepId = Branded<"StepId">;
export type WorkerId = Branded<"WorkerId">;
export type BlobId = Branded<"BlobId">;
export type BatchId = Branded<"BatchId">;
/** Lower-case hex SHA-256 of a record's canonical bytes. */
export type RecordId = Branded<"RecordId">;
/** Lower-case hex SHA-256 of an artifact's stored bytes. */
export type ArtifactId = Branded<"ArtifactId">;
/** Lower-case hex SHA-256. */
export type Digest = Branded<"Digest">;
/** A value of the database's one sequence; fences every write after a claim (spec 00, attempts). */
export type LeaseEpoch = number;

/** Run ids that callers choose, step ids and tenant ids (spec 00, identifiers). */
export const NAME_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$";
export const UUID_PATTERN = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";
export const DIGEST_PATTERN = "^[0-9a-f]{64}$";

export interface Ids {
  /** A new UUIDv7, ordered by time within this process. */
  readonly uuid: () => string;
  /** `size` random bytes. */
  readonly random: (size: number) => Uint8Array;
}

/** Makes identifiers from the clock and the system's randomness; monotone within one process. */
export function makeIds(clock: Clock): Ids {
  let lastMs = 0;
  let counter = 0;
  const random = makeRandom();
  return {
    random,
    uuid: () => {
      const nowMs = clock.nowMs();
      if (nowMs > lastMs) {
        lastMs = nowMs;
        counter = Buffer.from(random(2)).readUInt16BE() & 0x7ff;
      } else if (++counter > 0xfff) {
        // the 12 counter bits are spent: borrow a millisecond (RFC 9562 §6.2, method 1)
        lastMs += 1;
        counter = 0;
      }
      const bytes = Buffer.alloc(16);
      bytes.writeUIntBE(lastMs, 0, 6);
      bytes.writeUInt16BE(0x7000 | counter, 6);
      bytes.set(random(8), 8);
      bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
      return formatUuid(bytes);
    },
  };
}

const RANDOM_POOL_BYTES = 8192;

/** Random bytes out of a larger draw, each handed out once and forgotten here: a call into the system's generator is 5 µs. */
function makeRandom(): Ids["random"] {
  let pool = Buffer.alloc(0);
  let at = 0;
  return (size) => {
    if (size > RANDOM_POOL_BYTES / 8) return randomBytes(size);
    if (at + size > pool.length) {
      pool = randomBytes(RANDOM_POOL_BYTES);
      at = 0;
    }
    const bytes = Buffer.from(pool.subarray(at, at + size));
    pool.fill(0, at, at + size);
    at += size;
    return bytes;
  };
}

/** The UUIDv5 of a name under a namespace UUID; the same name gives the same id for ever. */
export function uuidV5(namespace: string, name: string): string {
  const hash = createHash("sha1")
    .update(Buffer.from(namespace.replaceAll("-", ""), "hex"))
    .update(name)
    .digest();
  hash.writeUInt8((hash.readUInt8(6) & 0x0f) | 0x50, 6);
  hash.writeUInt8((hash.readUInt8(8) & 0x3f) | 0x80, 8);
  return formatUuid(hash.subarray(0, 16));
}

function formatUuid(bytes: Buffer): string {
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}
