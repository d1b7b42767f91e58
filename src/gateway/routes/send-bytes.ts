/**
 * Downloads: bytes as a file that no browser renders (spec 04, artifact store).
 *
 * Not here: where the bytes come from (ports.ts).
 */
import { Readable } from "node:stream";
import type { FastifyReply } from "fastify";
import type { ByteContent } from "../ports/request.ts";

/** Sends bytes as an attachment; a source that breaks cuts the connection, so that no half file looks whole. */
export function sendBytes(
  reply: FastifyReply,
  { mediaType, sizeBytes, chunks }: ByteContent,
  fileName: string,
): FastifyReply {
  reply.headers({
    "content-type": mediaType,
    "content-disposition": `attachment; filename="${fileName}"`,
    "content-security-policy": "sandbox; default-src 'none'",
  });
  if (sizeBytes !== undefined) reply.header("content-length", sizeBytes);
  return reply.send(Readable.from(chunks, { objectMode: false }));
}
