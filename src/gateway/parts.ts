/**
 * Parts of requests that several routes share: paths, pages, headers of writes.
 *
 * Query values are texts and stay texts until a route reads them, since nothing is converted on the way in.
 * Not here: bodies (views/), what they mean (ports.ts).
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from "fastify";
import Type from "typebox";
import { NAME_PATTERN, type RunUid, UUID_PATTERN } from "../core/ids.ts";
import { IDEMPOTENCY_KEY_PATTERN } from "./idempotency.ts";
import type { RunRef } from "./ports/request.ts";
import { closedObject } from "./views/schema.ts";

/** A server whose handlers are typed by their schemas. */
export type Api = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

const UUID = new RegExp(UUID_PATTERN);
const DEFAULT_LIMIT = 50;

export const RunPath = closedObject(
  { run: Type.String({ pattern: NAME_PATTERN, description: "The run's uid, or the id its submitter chose." }) },
  "One run.",
);

/** Text of UUID form is always a uid: a submitter's id of that form is found by its uid only. */
export function runRefOf({ run }: { readonly run: string }): RunRef {
  return UUID.test(run) ? { runUid: run as RunUid } : { runId: run };
}

const cursor = {
  after: Type.Optional(Type.String({ pattern: "^[A-Za-z0-9._~-]{1,512}$", description: "`next` of the page before." })),
  limit: Type.Optional(
    Type.String({
      pattern: "^(?:[1-9]|[1-9][0-9]|1[0-9][0-9]|200)$",
      description: "Most items, 1 to 200. Default 50.",
    }),
  ),
};

export const PageQuery = closedObject(cursor, "Which page.");
export const pageFields = cursor;

export function readPage({ after, limit }: { readonly after?: string; readonly limit?: string }): {
  readonly after: string | undefined;
  readonly limit: number;
} {
  return { after, limit: limit === undefined ? DEFAULT_LIMIT : Number(limit) };
}

/** Documented on every write; read by idempotency.ts. */
export const WriteHeaders = Type.Object({
  "idempotency-key": Type.Optional(
    Type.String({
      pattern: IDEMPOTENCY_KEY_PATTERN,
      description: "The same key with the same request gets the same answer; with another request 409.",
    }),
  ),
});
