/**
 * The OpenAPI 3.1 document, made from the routes' own schemas.
 *
 * In: routes registered afterwards. Out: `GET /v1/openapi.json`, with roles, problems and examples on every operation.
 * Not here: schemas (views/), roles (roles.ts).
 */
import swagger from "@fastify/swagger";
import { TENANT_HEADER } from "./auth.ts";
import { PROBLEM_MEDIA_TYPE } from "./errors.ts";
import { OPENAPI_EXAMPLES } from "./openapi-examples.ts";
import type { Api } from "./parts.ts";
import { findAccess } from "./roles.ts";

const TAGS = [
  { name: "runs", description: "Plans in work: submit, follow, stop." },
  { name: "steps", description: "One step at once, or only its decision." },
  { name: "queue", description: "What waits and why, what failed for good, and going on from there." },
  { name: "approvals", description: "Steps that wait for a person." },
  { name: "evidence", description: "Signed records and artifacts." },
  { name: "debugging", description: "Where runs pause." },
  { name: "tools", description: "What steps may use." },
  { name: "secrets", description: "What tools are handed when they are called; never read back." },
  { name: "tenants", description: "Who works here, within which limits." },
  { name: "sinks", description: "Where events go, and what was not taken there." },
  { name: "keys", description: "Who may call." },
  { name: "process", description: "The process itself." },
] as const;

/** Answers that are not JSON of a view. */
const OTHER_MEDIA: Readonly<Record<string, string>> = {
  getRunEvents: "text/event-stream",
  getRunEvidence: "application/octet-stream",
  getArtifactContent: "application/octet-stream",
  getMetrics: "text/plain",
};

interface Answer {
  description: string;
  content?: Record<string, object>;
}

interface Operation {
  operationId?: string;
  parameters?: object[];
  requestBody?: { content?: Record<string, { example?: unknown }> };
  responses?: Record<string, Answer>;
  "x-stepgate-roles"?: readonly string[];
  "x-stepgate-tenant"?: boolean;
}

/** Registers the document's maker; routes that come afterwards are in it. */
export async function describeApi(app: Api, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Stepgate",
        version,
        description:
          "Every step passes one gate: decide, redact, mint, admit, execute, inspect, settle. Errors are RFC 9457 problems " +
          "with a stable `code`. Requests are parsed strictly: unknown fields, duplicate keys and inexact numbers are refused.",
        license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      },
      tags: [...TAGS],
      security: [{ bearer: [] }],
      components: {
        securitySchemes: { bearer: { type: "http", scheme: "bearer", description: "An API key, `sg_<id>_<secret>`." } },
        parameters: {
          tenant: {
            name: TENANT_HEADER,
            in: "header",
            required: false,
            schema: { type: "string" },
            description: "For keys of the instance only: the tenant to act in. Default `default`.",
          },
        },
      },
    },
    convertConstToEnum: false,
    refResolver: {
      buildLocalReference: ({ $id }, _base, _fragment, index) => (typeof $id === "string" ? $id : `schema-${index}`),
    },
    transform: ({ schema, url, route }) => {
      const access = typeof route.method === "string" ? findAccess(route.method, url) : undefined;
      if (access === undefined || access.who === "anyone") return { url, schema: { ...schema, security: [] } };
      const extensions = { "x-stepgate-roles": access.roles, "x-stepgate-tenant": access.who === "tenant" };
      return { url, schema: { ...schema, ...extensions } };
    },
    transformObject: (document) => {
      if (!("openapiObject" in document)) return document.swaggerObject;
      const { openapiObject } = document;
      for (const path of Object.values(openapiObject.paths ?? {})) {
        for (const operation of Object.values(path ?? {})) completeOperation(operation as Operation);
      }
      return openapiObject;
    },
  });
}

/** Serves the document. */
export function openApiRoute(app: Api): void {
  let text: string | undefined;
  app.get(
    "/v1/openapi.json",
    { schema: { operationId: "getOpenApi", summary: "This document", tags: ["process"] } },
    async (_request, reply) => {
      text ??= JSON.stringify(app.swagger());
      return reply.type("application/json; charset=utf-8").send(text);
    },
  );
}

/** Adds to one operation what no schema of a route says: problems, other media, the tenant header, an example. */
function completeOperation(operation: Operation): void {
  const { operationId = "", responses = {} } = operation;
  const problem = {
    description: "A problem.",
    content: { [PROBLEM_MEDIA_TYPE]: { schema: { $ref: "#/components/schemas/ProblemView" } } },
  };
  const media = Object.hasOwn(OTHER_MEDIA, operationId) ? OTHER_MEDIA[operationId] : undefined;
  if (media !== undefined) {
    const ok: Answer = responses["200"] ?? { description: "The answer." };
    responses["200"] = {
      ...ok,
      content: { [media]: { schema: { type: "string" } }, ...jsonOf(operationId, ok.content) },
    };
  }
  operation.responses = { ...responses, "4XX": problem, "5XX": problem };
  if (operation["x-stepgate-tenant"] === true) {
    operation.parameters = [...(operation.parameters ?? []), { $ref: "#/components/parameters/tenant" }];
  }
  const body = operation.requestBody?.content?.["application/json"];
  if (body !== undefined && Object.hasOwn(OPENAPI_EXAMPLES, operationId)) body.example = OPENAPI_EXAMPLES[operationId];
}

/** Events are a stream or a page of JSON; the other media stand alone. */
function jsonOf(operationId: string, content: Record<string, object> | undefined): Record<string, object> {
  return operationId === "getRunEvents" && content !== undefined ? content : {};
}
