/**
 * Reads request bodies: strict JSON of the one media type, or a refusal.
 *
 * The raw bytes go to the one strict parser, so duplicate keys, bad UTF-8, `__proto__` and inexact numbers are refused
 * as everywhere else. Not here: sizes (bodyLimit of each route), schemas (validator.ts).
 */
import type { FastifyInstance, FastifyRequest } from "fastify";
import { StepgateError } from "../core/errors.ts";
import { parseJson } from "../core/parse-json.ts";

const JSON_MEDIA_TYPE = /^application\/json(?:[ \t]*;[ \t]*charset=(?:utf-8|"utf-8"))?$/i;

/** Makes JSON the only body that is read. */
export function readJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  // every type lands here: Fastify's own matching would also take `application/json; profile=…`
  app.addContentTypeParser("*", { parseAs: "buffer" }, async (_request: FastifyRequest, body: Buffer) =>
    parseJson(body),
  );
}

/**
 * Looks at the headers of a body before a byte of it is read.
 *
 * @throws {StepgateError} MEDIA_TYPE_UNSUPPORTED, REQUEST_MALFORMED for a body on a route that reads none, or none where
 *   one is read.
 */
export function checkBodyHeaders(request: FastifyRequest): void {
  const { headers } = request;
  const length = headers["content-length"];
  const hasBody = headers["transfer-encoding"] !== undefined || (length !== undefined && length !== "0");
  const takesBody = request.routeOptions.schema?.body !== undefined;
  if (!takesBody && hasBody) throw new StepgateError("REQUEST_MALFORMED", { reason: "this route takes no body" });
  if (headers.expect !== undefined && headers.expect.toLowerCase() !== "100-continue") {
    throw new StepgateError("REQUEST_MALFORMED", { reason: "nothing but 100-continue can be expected" });
  }
  if (!takesBody) return;
  const encoding = headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity") {
    throw new StepgateError("MEDIA_TYPE_UNSUPPORTED", { wanted: "no content-encoding" });
  }
  if (!hasBody) throw new StepgateError("REQUEST_MALFORMED", { reason: "the body is missing" });
  if (!JSON_MEDIA_TYPE.test(headers["content-type"] ?? "")) {
    throw new StepgateError("MEDIA_TYPE_UNSUPPORTED", { wanted: "application/json" });
  }
}
