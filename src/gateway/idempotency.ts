/**
 * Idempotency-Key on writes: the same key with the same request gets the stored answer, with another one a refusal.
 *
 * Runs and steps keep the key in the transaction that makes the run (`idempotency: "run"`); every other write is claimed
 * here before its handler and finished before its answer leaves. Not here: where claims are kept (ports.ts).
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { canonicalDigest } from "../core/canonical-json.ts";
import { StepgateError } from "../core/errors.ts";
import { isJsonObject, type JsonValue } from "../core/json.ts";
import { parseJson } from "../core/parse-json.ts";
import type { Log } from "../telemetry/logger.ts";
import type { IdempotencyScope, IdempotencyStore, StoredAnswer } from "./ports/repeated-write.ts";

declare module "fastify" {
  interface FastifyRequest {
    idempotencyClaim: IdempotencyScope | undefined;
  }
  interface FastifyContextConfig {
    /** Who keeps the key of a write. Default: this file. */
    idempotency?: "run" | "stored";
    /** Members of the answer that are shown once and not stored. */
    shownOnce?: readonly string[];
  }
}

export const IDEMPOTENCY_HEADER = "idempotency-key";
export const IDEMPOTENCY_KEY_PATTERN = "^[!-~]{1,255}$";
const KEY = new RegExp(IDEMPOTENCY_KEY_PATTERN);
const WRITES: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH", "DELETE"]);

/** The request's Idempotency-Key. @throws {StepgateError} FIELD_INVALID for one that is empty, too long or not visible ASCII. */
export function readIdempotencyKey(request: FastifyRequest): string | undefined {
  const given = request.headers[IDEMPOTENCY_HEADER];
  if (given === undefined) return undefined;
  if (typeof given === "string" && KEY.test(given)) return given;
  throw new StepgateError("FIELD_INVALID", {
    field: `/headers/${IDEMPOTENCY_HEADER}`,
    reason: "not of the right form",
  });
}

/** Keeps the answers of writes that carry a key. Only answers that changed something are kept. */
export function keepAnswers(app: FastifyInstance, store: IdempotencyStore, log: Log): void {
  app.decorateRequest("idempotencyClaim");
  app.addHook("preHandler", async (request, reply) => {
    const scope = scopeOf(request);
    if (scope === undefined) return undefined;
    const claim = await store.claim({ ...scope, requestDigest: requestDigest(request) });
    switch (claim.kind) {
      case "new":
        request.idempotencyClaim = scope;
        return undefined;
      case "stored":
        return replay(reply, claim.answer);
      case "mismatch":
        throw new StepgateError("IDEMPOTENCY_MISMATCH");
      case "busy":
        throw new StepgateError("IDEMPOTENCY_IN_PROGRESS");
    }
  });
  app.addHook("onSend", async (request, reply, payload) => {
    const scope = request.idempotencyClaim;
    if (scope === undefined) return;
    request.idempotencyClaim = undefined;
    const answer = answerOf(reply, payload);
    try {
      await (answer === undefined ? store.release(scope) : store.finish({ ...scope, answer }));
    } catch (caught) {
      // the write is made: an error now would make the caller repeat it, and its claim lapses by itself
      log.error({ err: caught, request_id: request.id }, "an answer could not be kept for repetition");
    }
  });
}

function scopeOf(request: FastifyRequest): IdempotencyScope | undefined {
  const { idempotency = "stored" } = request.routeOptions.config;
  if (request.authority === undefined || idempotency !== "stored" || !WRITES.has(request.method)) return undefined;
  const idempotencyKey = readIdempotencyKey(request);
  return idempotencyKey === undefined ? undefined : { tenantUid: request.authority.caller?.tenantUid, idempotencyKey };
}

/** One digest for one request: method, target and body in canonical form. */
function requestDigest(request: FastifyRequest): ReturnType<typeof canonicalDigest> {
  // a parsed body is JSON, and a missing one is null, which no schema of ours accepts
  const body = (request.body ?? null) as JsonValue;
  return canonicalDigest({ method: request.method, target: request.raw.url ?? "", body });
}

function replay(reply: FastifyReply, { status, location, body }: StoredAnswer): FastifyReply {
  if (location !== undefined) reply.header("location", location);
  reply.header("idempotency-replayed", "true").code(status);
  if (body === "") return reply.send();
  return reply
    .type("application/json; charset=utf-8")
    .serializer((text: unknown) => String(text))
    .send(body);
}

function answerOf(reply: FastifyReply, payload: unknown): StoredAnswer | undefined {
  if (reply.statusCode < 200 || reply.statusCode > 299) return undefined;
  const location = reply.getHeader("location");
  const { shownOnce = [] } = reply.request.routeOptions.config;
  return {
    status: reply.statusCode,
    location: typeof location === "string" ? location : undefined,
    body: typeof payload === "string" ? without(payload, shownOnce) : "",
  };
}

function without(body: string, names: readonly string[]): string {
  if (names.length === 0) return body;
  const value = parseJson(body);
  if (!isJsonObject(value)) return body;
  return JSON.stringify(Object.fromEntries(Object.entries(value).filter(([name]) => !names.includes(name))));
}
