/**
 * What tests of sinks share: a receiver that keeps what it is sent and answers as it is told, and the API of sinks.
 *
 * A test waits for messages, never for time.
 */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Test } from "tap";
import type { JsonObject } from "../../src/core/json.ts";
import { ADMIN_KEY } from "./live-api.ts";
import type { Rig } from "./rig.ts";

export interface Message {
  readonly id: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly event: JsonObject;
  readonly runUid: string;
  readonly seq: number;
}

/** A status, or `hang` for no answer at all. */
export type Answer = (message: Message, tries: number) => number | "hang" | ((response: ServerResponse) => void);

export interface Receiver {
  readonly hostPort: string;
  readonly url: string;
  /** Every try, in order of arrival. */
  readonly messages: readonly Message[];
  /** The tries that were acknowledged. */
  readonly acknowledged: readonly Message[];
  /** Waits until it holds; looked at whenever a try was answered. */
  readonly until: (why: string, isThere: (receiver: Receiver) => boolean) => Promise<void>;
}

const PATIENCE_MS = 60_000;

export async function startReceiver(t: Test, answer: Answer = () => 200): Promise<Receiver> {
  const messages: Message[] = [];
  const acknowledged: Message[] = [];
  const watchers = new Set<() => void>();
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const event = JSON.parse(body) as JsonObject;
    const data = event["data"] as JsonObject;
    const { headers } = request;
    const id = String(headers["webhook-id"]);
    const message = { id, headers, body, event, runUid: String(data["run_uid"]), seq: Number(data["seq"]) };
    messages.push(message);
    const told = answer(message, messages.filter((one) => one.id === id).length);
    if (typeof told === "function") told(response);
    else if (told !== "hang") {
      if (told < 300) acknowledged.push(message);
      response.writeHead(told).end();
    }
    for (const look of watchers) look();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const hostPort = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const receiver: Receiver = {
    hostPort,
    url: `http://${hostPort}/hooks`,
    messages,
    acknowledged,
    until: (why, isThere) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (!isThere(receiver)) return;
          clearTimeout(timer);
          watchers.delete(look);
          resolve();
        };
        const timer = setTimeout(() => {
          watchers.delete(look);
          const seen = messages.map(({ runUid, seq }) => `${runUid.slice(-4)}/${seq}`).join(" ");
          reject(new TypeError(`${why}: not within ${PATIENCE_MS} ms; tries: ${seen}`));
        }, PATIENCE_MS);
        watchers.add(look);
        look();
      }),
  };
  return receiver;
}

/** Types of the messages of one run, in the order in which they were acknowledged. */
export function seqsOf(receiver: Receiver, runUid: string): readonly number[] {
  return receiver.acknowledged.filter((message) => message.runUid === runUid).map(({ seq }) => seq);
}

export interface SinkApi {
  readonly call: (
    method: string,
    path: string,
    body?: object,
  ) => Promise<{ readonly status: number; readonly json: JsonObject }>;
  /** Makes a sink that posts to the receiver, and returns its secret. */
  readonly put: (name: string, receiver: Pick<Receiver, "url">, settings?: object) => Promise<string>;
  /** What a list of the sink shows. */
  readonly list: (name: string, what: "deliveries" | "dead-letters") => Promise<readonly JsonObject[]>;
}

export function sinkApi(rig: Rig): SinkApi {
  const base = rig.stepgate.gateway?.url ?? "";
  const call: SinkApi["call"] = async (method, path, body) => {
    const response = await fetch(`${base}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${ADMIN_KEY}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, json: text === "" ? {} : (JSON.parse(text) as JsonObject) };
  };
  return {
    call,
    put: async (name, { url }, settings = {}) => {
      const { status, json } = await call("PUT", `/v1/sinks/${name}`, { url, is_paused: false, ...settings });
      if (status !== 201) throw new TypeError(`${status} ${JSON.stringify(json)}`);
      return String(json["secret"]);
    },
    list: async (name, what) => {
      const { json } = await call("GET", `/v1/sinks/${name}/${what}?limit=200`);
      return json["items"] as readonly JsonObject[];
    },
  };
}

/** Waits until no delivery of these runs is left: the last acknowledgement is written after it was answered. */
export async function untilDelivered(rig: Rig, runs: readonly string[]): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const left = await rig.rows("select sink, run_uid, done_seq from stepgate.deliveries where run_uid = any($1)", [
      `{${runs.join(",")}}`,
    ]);
    if (left.length === 0) return;
    if (performance.now() > endMs) throw new TypeError(`deliveries are left: ${JSON.stringify(left)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Settings of a tenant whose sinks may reach these receivers, and whose steps are all allowed. */
export function tenantFor(...receivers: readonly Pick<Receiver, "hostPort">[]): JsonObject {
  return {
    runtime_pack: "runtime",
    required_guardrails: [],
    sink_private_hosts: receivers.map(({ hostPort }) => hostPort),
  };
}

/** Times that make a test of seconds one of milliseconds. */
export const QUICK = {
  STEPGATE_SINK_TIMEOUT_MS: "1000",
  STEPGATE_SINK_RETRY_MS: "20",
  STEPGATE_SINK_RETRY_MAX_MS: "100",
  STEPGATE_SINK_MAX_ATTEMPTS: "4",
  STEPGATE_SINK_POLL_MS: "50",
};

export const oneStep: JsonObject = { steps: [{ id: "a", type: "sink", inputs: { text: "planted-in-inputs" } }] };
