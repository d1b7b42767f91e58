/**
 * Lists while they grow: whoever pages sees each row that was there at the beginning exactly once, and none twice.
 *
 * Rows are put between the pages' times too: several share one millisecond, some one microsecond.
 */
import t from "tap";
import { isJsonObject, type JsonObject } from "../../src/core/json.ts";
import type { ExecutorResult } from "../../src/executors/contract.ts";
import { openTestDatabase } from "../storage/test-database.ts";
import { type Call, deskOf, submitAs } from "./approval-desk.ts";
import { type Decide, done, makeSink, type Rig, startRig } from "./rig.ts";

const OLD = 9;
const LIMIT = 2;
/** Pages during which a row comes. */
const GROWING = 6;

const decide: Decide = ({ inputs }) =>
  isJsonObject(inputs) && inputs["ask"] === "hold"
    ? {
        effect: "hold",
        reasons: ["needs_approval"],
        obligations: [{ id: "o", type: "require_approval", properties: { role: "approver", ttl_seconds: 3600 } }],
      }
    : { effect: "allow" };

const broken: ExecutorResult = {
  ok: false,
  kind: "execution_error",
  retryable: false,
  code: "broken",
  message: "broken",
  usage: { tokens: 0, usdMicros: 0 },
  toolEvents: [],
};

let rig: Rig;
let desk: Call;

t.before(async () => {
  const sink = makeSink(({ spec }) => (spec.inputs["ask"] === "break" ? broken : done(null)));
  rig = await startRig(t, {
    database: await openTestDatabase(t),
    packs: { runtime: decide },
    adapters: [sink.adapter],
    tenant: { runtime_pack: "runtime", required_guardrails: [] },
  });
  desk = await deskOf(rig, "ann", "reader", "submitter", "admin");
});

interface List {
  readonly path: string;
  readonly idOf: (item: JsonObject) => string;
  /** Adds rows, and returns when they are there. */
  readonly add: (count: number) => Promise<void>;
  /** Puts all rows into one millisecond, several at the same microsecond. */
  readonly squeeze: (() => Promise<unknown>) | undefined;
}

/** A run of steps that all do the same; returns once all of them are in the state. */
async function submit(count: number, inputs: JsonObject, state: string): Promise<void> {
  const steps = Array.from({ length: count }, (_, index) => ({ id: `s${index}`, type: "sink", inputs }));
  const runUid = await submitAs(desk, { steps });
  await rig.until(runUid, (all) => [...all.values()].every((step) => step.state === state));
}

async function times(count: number, act: () => Promise<unknown>): Promise<void> {
  await Promise.all(Array.from({ length: count }, () => act()));
}

/** One of three microseconds of one millisecond, by the row's own id: a row that has it keeps it. */
const momentBy = (id: string) =>
  `timestamptz '2026-01-01T00:00:00.000Z' + (abs(hashtext(${id}::text)) % 3) * interval '1 microsecond'`;

const lists: readonly List[] = [
  {
    path: "/v1/runs",
    idOf: ({ run_uid: id }) => String(id),
    add: (count) => times(count, () => submitAs(desk, { steps: [{ id: "a", type: "sink", inputs: {} }] })),
    squeeze: () => rig.rows(`update stepgate.runs set submitted_at = ${momentBy("run_uid")}`),
  },
  {
    path: "/v1/keys",
    idOf: ({ key_id: id }) => String(id),
    add: (count) => times(count, () => deskOf(rig, "eve", "reader")),
    squeeze: () => rig.rows(`update stepgate.api_keys set created_at = ${momentBy("key_id")}`),
  },
  {
    path: "/v1/dead-letters",
    idOf: ({ run_uid: run, step_id: step }) => `${run} ${step}`,
    add: (count) => submit(count, { ask: "break" }, "failed"),
    squeeze: () => rig.rows(`update stepgate.steps set ended_at = ${momentBy("step_id")} where status = 'failed'`),
  },
  {
    path: "/v1/approvals",
    idOf: ({ approval_id: id }) => String(id),
    add: (count) => submit(count, { ask: "hold" }, "held"),
    // their ids are their order
    squeeze: undefined,
  },
];

/** One page: its ids, and where the next one begins. */
async function readPage(list: List, limit: number, after: string | undefined) {
  const cursor = after === undefined ? "" : `&after=${encodeURIComponent(after)}`;
  const { status, json } = await desk("GET", `${list.path}?limit=${limit}${cursor}`);
  if (status !== 200) throw new TypeError(JSON.stringify(json));
  const next = json["next"];
  return {
    ids: (json["items"] as readonly JsonObject[]).map(list.idOf),
    next: typeof next === "string" ? next : undefined,
  };
}

for (const list of lists) {
  t.test(`${list.path} shows each old row once while new ones come`, async (t) => {
    await list.add(OLD);
    await list.squeeze?.();
    const old = await readPage(list, 200, undefined);
    t.ok(old.ids.length >= OLD && old.next === undefined, `${old.ids.length} rows at the beginning`);
    const seen: string[] = [];
    let pages = 0;
    let after: string | undefined;
    do {
      const adds = pages < GROWING ? list.add(1) : Promise.resolve();
      const [page] = await Promise.all([readPage(list, LIMIT, after), adds]);
      seen.push(...page.ids);
      after = page.next;
      pages += 1;
      // every other new row goes among the old ones, before or behind where the reader is
      if (pages % 2 === 0 && pages < GROWING) await list.squeeze?.();
    } while (after !== undefined);
    t.same(
      seen.filter((id, index) => seen.indexOf(id) !== index),
      [],
      "none twice",
    );
    t.same(
      old.ids.filter((id) => !seen.includes(id)),
      [],
      "none of the old ones left out",
    );
    t.ok(pages > OLD / LIMIT, `${pages} pages`);
    const now = await readPage(list, 200, undefined);
    t.ok(now.ids.length >= old.ids.length + 4, `the control: ${now.ids.length} rows at the end`);
  });
}

t.test("a cursor that no list has given is refused by its place, on every list", async (t) => {
  for (const path of [...lists.map((list) => list.path), "/v1/audit", "/v1/budgets"]) {
    const { status, json } = await desk("GET", `${path}?after=x`);
    t.match({ status, json }, { status: 400, json: { code: "FIELD_INVALID", field: "/querystring/after" } }, path);
  }
});
