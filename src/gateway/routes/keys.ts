/**
 * API keys: make, list, look at, revoke. A new key's secret is in the answer that makes it and in no other.
 *
 * Not here: signing keys (health.ts has the JWKS), who may give which role (ports.ts).
 */
import Type from "typebox";
import { callerOf } from "../access.ts";
import { type Api, PageQuery, readPage, WriteHeaders } from "../parts.ts";
import type { Keys } from "../ports/settings.ts";
import { KeyPage, KeySubmission, KeyView, NewKeyView } from "../views/key.ts";
import { closedObject, ref } from "../views/schema.ts";
import { found } from "./found.ts";

const KeyPath = closedObject(
  { key: Type.String({ pattern: "^[A-Za-z0-9-]{1,64}$", description: "The key's id." }) },
  "One key.",
);

export function keyRoutes(app: Api, { keys }: { readonly keys: Keys }): void {
  create(app, keys);
  app.get(
    "/v1/keys",
    {
      schema: {
        operationId: "listKeys",
        summary: "List API keys",
        tags: ["keys"],
        querystring: PageQuery,
        response: { 200: ref(KeyPage) },
      },
    },
    async (request) => keys.list({ caller: callerOf(request), ...readPage(request.query) }),
  );
  app.get(
    "/v1/keys/:key",
    {
      schema: {
        operationId: "getKey",
        summary: "Look at an API key",
        tags: ["keys"],
        params: KeyPath,
        response: { 200: ref(KeyView) },
      },
    },
    async (request) => found(await keys.get({ caller: callerOf(request), keyId: request.params.key })),
  );
  app.delete(
    "/v1/keys/:key",
    {
      schema: {
        operationId: "revokeKey",
        summary: "Revoke an API key",
        tags: ["keys"],
        params: KeyPath,
        headers: WriteHeaders,
        response: { 204: Type.Null({ description: "It is revoked." }) },
      },
    },
    async (request, reply) => {
      found(await keys.revoke({ caller: callerOf(request), keyId: request.params.key }));
      return reply.code(204).send(null);
    },
  );
}

function create(app: Api, keys: Keys): void {
  app.post(
    "/v1/keys",
    {
      config: { shownOnce: ["secret"] },
      schema: {
        operationId: "createKey",
        summary: "Make an API key",
        description:
          "The secret is shown once; a repeated request with the same Idempotency-Key gets the key without it.",
        tags: ["keys"],
        headers: WriteHeaders,
        body: ref(KeySubmission),
        response: { 201: ref(NewKeyView) },
      },
    },
    async (request, reply) => {
      const key = await keys.create({ caller: callerOf(request), submission: request.body });
      return reply.header("location", `/v1/keys/${key.key_id}`).code(201).send(key);
    },
  );
}
