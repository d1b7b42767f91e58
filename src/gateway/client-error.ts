/**
 * What a client gets whose bytes are not HTTP, or that does not send its request in time.
 *
 * There is no request then, so the problem is written to the socket itself. Not here: errors of requests (errors.ts).
 */

import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { ERROR_CODES, type ErrorCode } from "../core/errors.ts";
import type { Ids } from "../core/ids.ts";
import { PROBLEM_MEDIA_TYPE, problemBody } from "./errors.ts";

/** Makes the handler of broken connections: one answer, then the end. */
export function makeClientErrorHandler(ids: Ids): (error: Error, socket: Socket) => void {
  return (error, socket) => {
    const cause = "code" in error ? error.code : undefined;
    if (cause === "ECONNRESET" || !socket.writable) {
      socket.destroy();
      return;
    }
    const code: ErrorCode = cause === "ERR_HTTP_REQUEST_TIMEOUT" ? "REQUEST_TIMEOUT" : "REQUEST_MALFORMED";
    const { status } = ERROR_CODES[code];
    const body = JSON.stringify(problemBody(code, ids.uuid(), {}));
    socket.end(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: ${PROBLEM_MEDIA_TYPE}\r\n` +
        `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    );
  };
}
