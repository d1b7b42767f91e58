/**
 * The OpenAPI document as tests read it: every operation, with a request that the fakes answer.
 */
import { OPENAPI_EXAMPLES } from "../../src/gateway/openapi-examples.ts";
import { APPROVAL_ID, DIGEST, KEY_ID, RUN_ID } from "./fakes.ts";
import type { Harness, Sent } from "./harness.ts";

export interface Operation {
  readonly operationId: string;
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly object[];
  readonly "x-stepgate-roles"?: readonly string[];
  readonly "x-stepgate-tenant"?: boolean;
  readonly parameters?: readonly { readonly in?: string; readonly name?: string; readonly $ref?: string }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly example?: unknown }>> };
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: object }>> }>
  >;
}

export interface Document {
  readonly openapi: string;
  readonly security: readonly object[];
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

export interface Described {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly operation: Operation;
  /** A request that the fakes answer: acme's own ids, the example body. */
  readonly request: Sent;
}

/** Path parameters by name, those that the fakes know. */
const KNOWN: Readonly<Record<string, string>> = {
  run: RUN_ID,
  step: "a",
  target: "step",
  value: "a",
  approval: APPROVAL_ID,
  record: DIGEST,
  artifact: DIGEST,
  tenant: "acme",
  tool: "tickets",
  type: "noop",
  key: KEY_ID,
  sink: "hooks",
  secret: "crm.key",
};

export async function readDocument(harness: Harness): Promise<Document> {
  const { text } = await harness.send({ url: "/v1/openapi.json" });
  return JSON.parse(text) as Document;
}

/** Every operation of the document; a path parameter without a known value is an error of the test. */
export function operationsOf(document: Document): readonly Described[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([verb, operation]) => {
      const method = verb.toUpperCase() as Described["method"];
      const url = path.replace(/\{([a-z]+)\}/g, (_all, name: string) => {
        const value = KNOWN[name];
        if (value === undefined) throw new Error(`no known value of {${name}} for ${method} ${path}`);
        return value;
      });
      const body = OPENAPI_EXAMPLES[operation.operationId];
      const headers = operation.operationId === "getRunEvents" ? { accept: "application/json" } : {};
      return { method, path, operation, request: { method, url, headers, ...(body !== undefined && { body }) } };
    }),
  );
}
