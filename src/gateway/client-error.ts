/**
 * What a client gets whose bytes are not HTTP, or that does not send its request in time.
 *
 * There is no request then, so the problem is written to the socket itself. Not here: errors of requests (errors.ts).
 */

import { type ServerResponse, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { ERROR_CODES, type ErrorCode } from "../core/errors.ts";
import type { Ids } from "../core/ids.ts";
import { PROBLEM_MEDIA_TYPE, problemBody } from "./errors.ts";

/** By Node's own code of what broke; every other one is a request that is not well formed. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  ERR_HTTP_REQUEST_TIMEOUT: "REQUEST_TIMEOUT",
  HPE_HEADER_OVERFLOW: "HEADERS_TOO_LARGE",
};

/** Makes the handler of broken connections: one answer, then the end. */
export function makeClientErrorHandler(ids: Ids): (error: Error, socket: Socket) => void {
  return (error, socket) => {
    const cause = "code" in error ? String(error.code) : "";
    // an answer that is under way must not get another one into its middle
    if (cause === "ECONNRESET" || !socket.writable || isAnswering(socket)) socket.destroy();
    else endWithProblem(socket, (Object.hasOwn(CODES, cause) ? CODES[cause] : undefined) ?? "REQUEST_MALFORMED", ids);
  };
}

/** Writes a problem to a socket that no request of ours holds, and ends it. */
export function endWithProblem(socket: Duplex, code: ErrorCode, ids: Ids, headers = ""): void {
  const { status } = ERROR_CODES[code];
  const body = JSON.stringify(problemBody(code, ids.uuid(), {}));
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: ${PROBLEM_MEDIA_TYPE}\r\n${headers}` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}

/** Node keeps the answer that a socket carries under this name, and its own handler looks there too. */
function isAnswering(socket: Socket & { readonly _httpMessage?: ServerResponse | null }): boolean {
  return socket._httpMessage?.headersSent === true;
}
