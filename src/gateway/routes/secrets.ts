/**
 * Secrets: values that a tenant's tools are handed when they are called. They come in here and never leave here.
 *
 * Not here: which tool asks for which (tools.ts), how they are kept (tenancy/, storage/).
 */
import Type from "typebox";
import { NAME_PATTERN } from "../../core/ids.ts";
import { callerOf } from "../access.ts";
import { type Api, PageQuery, readPage, WriteHeaders } from "../parts.ts";
import type { Secrets } from "../ports/settings.ts";
import { closedObject, ref } from "../views/schema.ts";
import { SecretPage, SecretSubmission, SecretView } from "../views/secret.ts";
import { found } from "./found.ts";

const SecretPath = closedObject(
  { secret: Type.String({ pattern: NAME_PATTERN, description: "The secret's name." }) },
  "One secret.",
);

export function secretRoutes(app: Api, { secrets }: { readonly secrets: Secrets }): void {
  app.get(
    "/v1/secrets",
    {
      schema: {
        operationId: "listSecrets",
        summary: "List secrets",
        description: "Names, versions and times; a value is in no answer.",
        tags: ["secrets"],
        querystring: PageQuery,
        response: { 200: ref(SecretPage) },
      },
    },
    async (request) => secrets.list({ caller: callerOf(request), ...readPage(request.query) }),
  );
  app.get(
    "/v1/secrets/:secret",
    {
      schema: {
        operationId: "getSecret",
        summary: "Look at a secret: never at its value",
        tags: ["secrets"],
        params: SecretPath,
        response: { 200: ref(SecretView) },
      },
    },
    async (request) => found(await secrets.get({ caller: callerOf(request), name: request.params.secret })),
  );
  app.put(
    "/v1/secrets/:secret",
    {
      schema: {
        operationId: "putSecret",
        summary: "Keep a secret, or replace its value",
        description:
          "Sealed with the tenant's keys. Calls that begin from now on get the new value; the one before is erased. " +
          "Each write is a new version, also of the same value.",
        tags: ["secrets"],
        params: SecretPath,
        headers: WriteHeaders,
        body: ref(SecretSubmission),
        response: { 200: ref(SecretView), 201: ref(SecretView) },
      },
    },
    async (request, reply) => {
      const { value } = request.body;
      const caller = callerOf(request);
      const { secret, isNew } = await secrets.put({ caller, name: request.params.secret, value });
      return reply.code(isNew ? 201 : 200).send(secret);
    },
  );
  app.delete(
    "/v1/secrets/:secret",
    {
      schema: {
        operationId: "removeSecret",
        summary: "Erase a secret",
        description: "Its key goes with it. Steps whose tool asks for it are refused with `tool_secret_missing`.",
        tags: ["secrets"],
        params: SecretPath,
        headers: WriteHeaders,
        response: { 204: Type.Null({ description: "It is gone." }) },
      },
    },
    async (request, reply) => {
      found(await secrets.remove({ caller: callerOf(request), name: request.params.secret }));
      return reply.code(204).send(null);
    },
  );
}
