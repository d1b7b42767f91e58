/**
 * The gateway's API as the command line uses it: one key, one base URL, answers read strictly, problems as our errors.
 *
 * In: paths and bodies. Out: values of a given schema, bytes, events. Not here: what is asked (commands/, sample/).
 */
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Static, TSchema } from "typebox";
import { Compile } from "typebox/compile";
import type { Config } from "../config/config.ts";
import { ERROR_CODES, type ErrorCode, type ErrorDetail, isStepgateError, StepgateError } from "../core/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { ownUid } from "../core/own-user.ts";
import { parseJson } from "../core/parse-json.ts";
import { readKeyFile } from "../evidence/key-files.ts";
import { readMessages } from "./event-stream.ts";
import { EventView } from "./wire.ts";

export interface ApiTarget {
  readonly baseUrl: string;
  readonly key: string;
  /** Named only with a key of the instance; a tenant's key acts in its own. */
  readonly tenant: string | undefined;
}

export interface Api {
  readonly get: <Schema extends TSchema>(path: string, schema: Schema) => Promise<Static<Schema>>;
  /** As `get`; undefined where there is no such thing. */
  readonly find: <Schema extends TSchema>(path: string, schema: Schema) => Promise<Static<Schema> | undefined>;
  readonly send: <Schema extends TSchema>(
    method: "POST" | "PUT" | "DELETE",
    path: string,
    input: { readonly body?: JsonValue; readonly schema: Schema },
  ) => Promise<Static<Schema>>;
  readonly bytes: (path: string) => Promise<Uint8Array>;
  /** A run's events from the first one until its end and seal. */
  readonly events: (run: string, signal: AbortSignal) => AsyncIterable<EventView>;
}

const MAX_KEY_LENGTH = 512;

/** Where to call and with which key: options first, else this machine's own gateway and its admin key. */
export async function findTarget(
  config: Config,
  given: { readonly url?: string; readonly keyFile?: string; readonly tenant?: string },
): Promise<ApiTarget> {
  const { host, port } = config.gateway.listen;
  const own = `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
  return {
    baseUrl: (given.url ?? own).replace(/\/+$/, ""),
    key: await readKey(config, given.keyFile),
    tenant: given.tenant,
  };
}

async function readKey(config: Config, keyFile: string | undefined): Promise<string> {
  const path = keyFile ?? join(config.instance.home, "keys", "admin-key");
  const bytes =
    keyFile === undefined ? await readKeyFile(path, ownUid()) : await readFile(keyFile).catch(() => undefined);
  const key = bytes === undefined ? config.keys.adminKey : Buffer.from(bytes).toString().trim();
  if (key === undefined || key === "" || key.length > MAX_KEY_LENGTH)
    throw new StepgateError("KEY_FILE_UNAVAILABLE", { path, reason: "there is no key in" });
  return key;
}

/** Makes the client. Every call @throws {StepgateError} GATEWAY_UNREACHABLE, or the code that the gateway answered. */
export function makeApi(target: ApiTarget): Api {
  const call = makeCall(target);
  const read = async <Schema extends TSchema>(response: Response, schema: Schema): Promise<Static<Schema>> => {
    const value = response.status === 204 ? null : parseJson(new Uint8Array(await response.arrayBuffer()));
    const validator = Compile(schema);
    if (!validator.Check(value)) throw unreachable(target, "the answer is not one of this version");
    return value;
  };
  const get: Api["get"] = async (path, schema) => read(await call("GET", path), schema);
  return {
    get,
    find: (path, schema) =>
      get(path, schema).catch((caught: unknown) => {
        if (isStepgateError(caught, "NOT_FOUND")) return undefined;
        throw caught;
      }),
    send: async (method, path, { body, schema }) => read(await call(method, path, { body }), schema),
    bytes: async (path) => new Uint8Array(await (await call("GET", path)).arrayBuffer()),
    events: (run, signal) => readEvents(call, run, signal),
  };
}

interface CallOptions {
  readonly body?: JsonValue | undefined;
  readonly accept?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}
type Call = (method: string, path: string, options?: CallOptions) => Promise<Response>;

function makeCall({ baseUrl, key, tenant }: ApiTarget): Call {
  return async (method, path, { body, accept = "application/json", headers = {}, signal } = {}) => {
    const request = {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        accept,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(tenant === undefined ? {} : { "stepgate-tenant": tenant }),
        ...(method === "POST" ? { "idempotency-key": randomUUID() } : {}),
        ...headers,
      },
      // a gateway redirects nowhere: a redirect would carry the key to somebody else
      redirect: "error",
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    } as const;
    const response = await fetch(`${baseUrl}${path}`, request).catch((cause: unknown) => {
      if (signal?.aborted === true) throw signal.reason;
      throw unreachable({ baseUrl }, undefined, cause);
    });
    if (!response.ok) throw await problemOf(response, path);
    return response;
  };
}

function unreachable({ baseUrl }: Pick<ApiTarget, "baseUrl">, reason?: string, cause?: unknown): StepgateError {
  return new StepgateError(
    "GATEWAY_UNREACHABLE",
    { url: baseUrl, ...(reason === undefined ? {} : { reason }) },
    { cause },
  );
}

const HIDDEN_MEMBERS: ReadonlySet<string> = new Set(["type", "title", "status", "code", "retry"]);

/** The gateway's problem as the error it was there (RFC 9457); what is not there is named by the path that was asked for. */
async function problemOf(response: Response, path: string): Promise<StepgateError> {
  const text = new Uint8Array(await response.arrayBuffer());
  const problem = readProblem(text);
  const code = problem?.["code"];
  if (problem === undefined || typeof code !== "string" || !isErrorCode(code))
    return new StepgateError("GATEWAY_UNREACHABLE", {
      http_status: response.status,
      reason: "it answered no problem of ours",
    });
  const detail: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(problem)) {
    if (HIDDEN_MEMBERS.has(name) || name === "instance") continue;
    detail[name] = typeof value === "object" ? JSON.stringify(value) : value;
  }
  if (code === "NOT_FOUND" && Object.keys(detail).length === 0) detail["path"] = path;
  return new StepgateError(code, detail satisfies ErrorDetail);
}

function readProblem(text: Uint8Array): JsonObject | undefined {
  try {
    const value = parseJson(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code);
}

/** Follows the stream over broken connections: it goes on after the last event that was seen. */
async function* readEvents(call: Call, run: string, signal: AbortSignal): AsyncGenerator<EventView> {
  const validator = Compile(EventView);
  let after = 0;
  for (let failures = 0; ; ) {
    const response = await call("GET", `/v1/runs/${encodeURIComponent(run)}/events`, {
      accept: "text/event-stream",
      headers: { "last-event-id": String(after) },
      signal,
    });
    if (response.status === 204 || response.body === null) return;
    for await (const { event, data } of readMessages(response.body, signal)) {
      if (event === "end") return;
      const value = parseJson(data);
      if (event === "error") throw new StepgateError("GATEWAY_UNREACHABLE", { reason: "the event stream was ended" });
      if (!validator.Check(value))
        throw new StepgateError("GATEWAY_UNREACHABLE", { reason: "an event is not one of ours" });
      after = value.seq;
      failures = 0;
      yield value;
    }
    failures += 1;
    if (failures > 5)
      throw new StepgateError("GATEWAY_UNREACHABLE", { reason: "the event stream ends again and again" });
  }
}
