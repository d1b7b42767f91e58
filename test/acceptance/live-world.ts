/**
 * What the first tenant has: a finished run with a refused step, a held one, a paused one, tools, settings, keys.
 *
 * Made through the API alone. Out: the ids that its routes take, by path parameter. Not here: the tenants (live-api.ts).
 */
import { setTimeout as delay } from "node:timers/promises";
import type { RunUid } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { Role } from "../../src/gateway/roles.ts";
import { type LiveApi, made, makeKey, PLANTED, PLANTED_HOST } from "./live-api.ts";

export interface LiveWorld {
  /** The finished run, by its uid. */
  readonly runUid: string;
  readonly heldUid: string;
  readonly idempotencyKey: string;
  /** Texts by path parameter, as the owner's routes take them. */
  readonly known: Readonly<Record<string, readonly string[]>>;
}

const IDEMPOTENCY_KEY = "acme-key-4711";

export async function furnish(api: LiveApi): Promise<LiveWorld> {
  const { acme } = api.keys;
  const post = async (path: string, key: string, body?: JsonObject) =>
    made(
      await api.send({
        method: "POST",
        path,
        key,
        headers: { "idempotency-key": IDEMPOTENCY_KEY + path.replaceAll("/", ".") },
        ...(body && { body }),
      }),
    );
  const put = async (path: string, body: JsonObject) =>
    made(await api.send({ method: "PUT", path, key: acme.operator, body }));
  await put("/v1/tools/acme-tickets", {
    version: 1,
    executor: "noop",
    config: { hint: PLANTED_HOST },
    input_schema: { type: "object" },
    effects: "read",
  });
  await put("/v1/executors/http", {
    hosts: [PLANTED_HOST],
    methods: ["GET"],
    max_bytes: 1_048_576,
    timeout_ms: 10_000,
  });
  await put("/v1/secrets/acme-crm-key", { value: `Bearer ${PLANTED}` });
  await put("/v1/sinks/acme-hooks", { url: `https://${PLANTED_HOST}/hooks`, is_paused: true });
  const labels = { ticket: PLANTED };
  const finished = await post("/v1/runs", acme.submitter, {
    id: "acme-run-1",
    labels,
    steps: [
      { id: "works", type: "sink", inputs: { text: PLANTED }, execution: { cost_hint: { tokens: 10 } } },
      { id: "breaks", type: "sink", inputs: { ask: "break", text: PLANTED } },
      { id: "refused", type: "sink", inputs: { ask: "deny", text: PLANTED } },
    ],
    budget: { tokens: 5_000, cost: "1.50" },
  });
  const runUid = String(finished["run_uid"]);
  await ended(api, runUid);
  const { held, paused, approvals } = await openRuns(api, { ids: ["acme-run-2", "acme-run-3"] });
  await post("/v1/steps", acme.submitter, { step: { type: "sink", inputs: { text: PLANTED } } });
  await post("/v1/decisions", acme.submitter, {
    boundary: "scheduler",
    step: { type: "sink", inputs: { text: PLANTED } },
  });
  const run = made(await api.send({ path: `/v1/runs/${runUid}`, key: acme.reader }));
  const steps = run["steps"] as readonly { record_ids: readonly string[]; decision_artifact?: string }[];
  // nothing stands on this one: it may be revoked
  const spare = await makeKey(api.send, "acme", { owner: "spare", roles: ["reader"] });
  return {
    runUid,
    heldUid: held,
    idempotencyKey: IDEMPOTENCY_KEY,
    known: {
      run: [runUid, "acme-run-1", held, paused],
      step: ["breaks", "works", "asks", "stops"],
      target: ["step", "type"],
      value: ["stops", "http"],
      record: steps.flatMap(({ record_ids }) => record_ids),
      artifact: steps.flatMap(({ decision_artifact }) => decision_artifact ?? []),
      tool: ["acme-tickets"],
      sink: ["acme-hooks"],
      secret: ["acme-crm-key"],
      tenant: ["acme"],
      type: ["http", "noop", "sink"],
      key: [spare.split("_")[1] ?? ""],
      approval: approvals,
    },
  };
}

/**
 * A run whose step waits for approval, with the ids of its approvals, and one that a breakpoint will pause.
 *
 * `ids` name them; without `of`, who must approve has two roles, and no key does.
 */
export async function openRuns(
  api: LiveApi,
  { ids: [heldId, pausedId] = [], of }: { readonly ids?: readonly string[]; readonly of?: Role } = {},
) {
  const asked = { ask: "hold", text: PLANTED, ...(of !== undefined && { of }) };
  const held = await submit(api, {
    ...(heldId !== undefined && { id: heldId }),
    steps: [{ id: "asks", type: "sink", inputs: asked }],
  });
  const paused = await submit(api, {
    ...(pausedId !== undefined && { id: pausedId }),
    steps: [{ id: "stops", type: "sink", inputs: { text: PLANTED } }],
    debug: {
      breakpoints: [
        { target: "step", value: "stops" },
        { target: "type", value: "http" },
      ],
    },
    budget: { tokens: 100 },
  });
  return { held, paused, approvals: await approvalsOf(api, held) };
}

/** The ids of what a run waits for, once its step is held. */
async function approvalsOf(api: LiveApi, run: string): Promise<readonly string[]> {
  for (;;) {
    const { items } = made(await api.send({ path: `/v1/approvals?run=${run}`, key: api.keys.acme.reader }));
    const ids = (items as readonly { readonly approval_id: string }[]).map(({ approval_id: id }) => id);
    if (ids.length > 0) return ids;
    await delay(10);
  }
}

async function submit(api: LiveApi, body: JsonObject): Promise<string> {
  const answer = await api.send({ method: "POST", path: "/v1/runs", key: api.keys.acme.submitter, body });
  return String(made(answer)["run_uid"]);
}

/** Follows the run's event stream to its end: then it is sealed. */
async function ended(api: LiveApi, runUid: RunUid | string): Promise<void> {
  const { text } = await api.send({ path: `/v1/runs/${runUid}/events`, key: api.keys.acme.reader });
  if (!text.includes("\nevent: end\n")) throw new TypeError(`the run did not end: ${text}`);
}
