/**
 * Reads a response body within a bound, before and after it is unpacked.
 *
 * In: the body as undici gives it, its content-encoding. Out: bytes, or a fault. Only one packing is unpacked, and only
 * gzip or brotli. Not here: what the bytes mean (http-result.ts).
 */
import type { Readable } from "node:stream";
import { promisify } from "node:util";
import { brotliDecompress, gunzip } from "node:zlib";

export type BodyFault = "response_too_large" | "encoding_refused" | "response_malformed";
export type BodyResult =
  | { readonly ok: true; readonly bytes: Buffer }
  | { readonly ok: false; readonly fault: BodyFault };

type Unpack = (packed: Buffer, options: { readonly maxOutputLength: number }) => Promise<Buffer>;

const UNPACKERS: ReadonlyMap<string, Unpack> = new Map([
  ["gzip", promisify(gunzip) as Unpack],
  ["x-gzip", promisify(gunzip) as Unpack],
  ["br", promisify(brotliDecompress) as Unpack],
]);

/** What a request offers, so that nothing else should come. */
export const ACCEPTED_ENCODINGS = "gzip, br";

/**
 * At most `maxBytes` on the wire and at most as many unpacked; one more ends the connection.
 *
 * Rejects with what the stream fails with. The caller has put an `error` listener on the body.
 */
export async function readBody(body: Readable, encoding: string | undefined, maxBytes: number): Promise<BodyResult> {
  const packing = (encoding ?? "identity").trim().toLowerCase();
  const unpack = UNPACKERS.get(packing);
  if (unpack === undefined && packing !== "identity") return fail(body, "encoding_refused");
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) return fail(body, "response_too_large");
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks);
  if (unpack === undefined || length === 0) return { ok: true, bytes };
  try {
    // the bound of the one-call form is exact: it stops at the first byte too many
    return { ok: true, bytes: await unpack(bytes, { maxOutputLength: Math.max(maxBytes, 1) }) };
  } catch (caught) {
    const isTooLarge = caught instanceof RangeError && "code" in caught && caught.code === "ERR_BUFFER_TOO_LARGE";
    return { ok: false, fault: isTooLarge ? "response_too_large" : "response_malformed" };
  }
}

function fail(body: Readable, fault: BodyFault): BodyResult {
  body.destroy();
  return { ok: false, fault };
}
