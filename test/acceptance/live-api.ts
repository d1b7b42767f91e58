/**
 * The whole product over HTTP: two tenants with a key for every role, and everything of the first one that has an id.
 *
 * Requests go over a socket as they are written. What the first tenant has is made through the API alone, and found
 * again by walking its answers, so that what new routes show joins by itself.
 */
import { Agent, request as httpRequest } from "node:http";
import { text } from "node:stream/consumers";
import type { Test } from "tap";
import type { JsonObject } from "../../src/core/json.ts";
import type { ExecutorResult } from "../../src/executors/contract.ts";
import { ROLES, type Role } from "../../src/gateway/roles.ts";
import type { Document, Operation } from "../gateway/document.ts";
import type { TestDatabase } from "../storage/test-database.ts";
import { type Decide, done, makeSink, type Rig, startRig } from "./rig.ts";

export const ADMIN_KEY = "acceptance-test-admin-key-0123456789";
/** Stands in every payload of the first tenant, and nowhere else. */
export const PLANTED = "planted-4f1c9be2";
/** A host in the first tenant's settings: configuration, not payload. */
export const PLANTED_HOST = "acme-only.example";

export interface LiveRequest {
  readonly method?: string;
  /** Sent as it is. */
  readonly path: string;
  /** Undefined sends none. */
  readonly key?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON. */
  readonly body?: object | string | Buffer;
}

export interface LiveAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly text: string;
  /** The body as JSON; undefined when it is none. */
  readonly json: JsonObject | undefined;
}

export interface LiveOperation {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

export interface LiveApi {
  readonly rig: Rig;
  readonly port: number;
  readonly document: Document;
  readonly operations: readonly LiveOperation[];
  readonly send: (request: LiveRequest) => Promise<LiveAnswer>;
  /** A key with exactly one role; `instance` keys act in acme when they send its name. */
  readonly keys: Readonly<Record<"acme" | "globex" | "instance", Readonly<Record<Role, string>>>>;
}

const decide: Decide = ({ inputs }) => {
  const { ask: wanted, of = "approver" } = (inputs ?? {}) as JsonObject;
  if (wanted === "deny") return { effect: "deny", reasons: ["not_wanted"] };
  if (wanted !== "hold") return { effect: "allow" };
  const properties = { role: of, ttl_seconds: 3600 };
  return {
    effect: "hold",
    reasons: ["needs_approval"],
    obligations: [{ id: "o", type: "require_approval", properties }],
  };
};

/** Without `of` a second role must be had by the same key, and none of this world has two. */
const decideToo: Decide = (input) =>
  (input["inputs"] as JsonObject | undefined)?.["of"] === undefined && decide(input).effect === "hold"
    ? decide({ ...input, inputs: { ask: "hold", of: "admin" } })
    : { effect: "allow" };

const broken: ExecutorResult = {
  ok: false,
  kind: "execution_error",
  retryable: false,
  code: "broken",
  message: PLANTED,
  usage: { tokens: 0, usdMicros: 0 },
  toolEvents: [],
};

const SETTINGS = {
  weight: 1,
  is_paused: false,
  runtime_pack: "open",
  required_guardrails: ["too"],
  min_isolation: {},
  weaker_isolation_allowed: [],
  default_requests: {},
  retention_days: 365,
  transparency_scope: "gates",
  labels: {},
  sink_hosts: ["hooks.example", PLANTED_HOST],
  quotas: [{ id: "daily-tokens", unit: "tokens", window: "day", limit: 1_000_000 }],
};

/** Starts the product on a database, with both tenants and all keys. */
export async function startLiveApi(
  t: Test,
  database: TestDatabase,
  env: Readonly<Record<string, string>> = {},
): Promise<LiveApi> {
  const sink = makeSink(({ spec }) =>
    spec.inputs["ask"] === "break" ? broken : done({ echoed: spec.inputs["text"] ?? null }),
  );
  const rig = await startRig(t, {
    database,
    packs: { open: decide, too: decideToo },
    adapters: [sink.adapter],
    env: { STEPGATE_STEP_WAIT_MS: "10000", ...env },
  });
  const port = Number(new URL(rig.stepgate.gateway?.url ?? "").port);
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  t.teardown(() => agent.destroy());
  const send = (request: LiveRequest) => exchange(port, agent, request);
  for (const tenant of ["acme", "globex"]) {
    const path = `/v1/tenants/${tenant}`;
    await made(await send({ method: "PUT", path, key: ADMIN_KEY, body: SETTINGS }));
  }
  const keysOf = async (tenant: string, scope: "tenant" | "instance") => {
    const entries: [Role, string][] = [];
    for (const role of ROLES) {
      if (role === "platform" && scope === "tenant") continue;
      entries.push([role, await makeKey(send, tenant, { owner: `${tenant}-${role}`, roles: [role], scope })]);
    }
    return Object.fromEntries(entries) as Record<Role, string>;
  };
  const keys = {
    acme: await keysOf("acme", "tenant"),
    globex: await keysOf("globex", "tenant"),
    instance: await keysOf("acme", "instance"),
  };
  const document = JSON.parse((await send({ path: "/v1/openapi.json", key: keys.acme.reader })).text) as Document;
  return { rig, port, document, operations: listOperations(document), send, keys };
}

/** A new key's text. */
export async function makeKey(send: LiveApi["send"], tenant: string, body: JsonObject): Promise<string> {
  const headers = { "stepgate-tenant": tenant };
  const { secret } = await made(await send({ method: "POST", path: "/v1/keys", key: ADMIN_KEY, headers, body }));
  return String(secret);
}

/** The answer's object. @throws {TypeError} when nothing was made: then the test cannot begin. */
export function made({ status, text, json }: LiveAnswer): JsonObject {
  if (status < 200 || status > 299 || json === undefined) throw new TypeError(`${status} ${text}`);
  return json;
}

export function listOperations({ paths }: Document): readonly LiveOperation[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([verb, operation]) => ({ method: verb.toUpperCase(), path, operation })),
  );
}

async function exchange(port: number, agent: Agent, sent: LiveRequest): Promise<LiveAnswer> {
  const { method = "GET", path, key, headers = {}, body } = sent;
  const bytes = body === undefined || typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      host: "127.0.0.1",
      port,
      agent,
      method,
      path,
      headers: {
        ...(key !== undefined && { authorization: `Bearer ${key}` }),
        ...(bytes !== undefined && {
          "content-type": "application/json",
          "content-length": String(Buffer.byteLength(bytes)),
        }),
        ...headers,
      },
    });
    request.on("error", reject);
    request.on("response", (response) => {
      text(response).then((answer) => {
        const isJson = /^application\/(?:problem\+)?json/.test(response.headers["content-type"] ?? "");
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: answer,
          json: isJson ? (JSON.parse(answer) as JsonObject) : undefined,
        });
      }, reject);
    });
    request.end(bytes);
  });
}
