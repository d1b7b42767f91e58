/**
 * A client that does not give up: it sends each submission until it is acknowledged, whatever breaks meanwhile, and notes
 * every other answer; then the promises that hold for all runs together.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Test } from "tap";
import type { RunUid } from "../../src/core/ids.ts";
import { isRunEnded } from "../../src/core/state.ts";
import { verifies } from "../acceptance/evidence-of.ts";
import type { Rig } from "../acceptance/rig.ts";

/** Steps of every run, one after the other; each uses 7 tokens. */
export const STEPS = ["a", "b", "c"] as const;
const STEP_TOKENS = 7;

export interface PatientClient {
  /** Sends the same submission under the same id until it is acknowledged. */
  readonly submit: (id: string) => Promise<void>;
  /** Waits until every acknowledged run is sealed. */
  readonly untilSealed: () => Promise<void>;
  /** Of the acknowledged runs. */
  readonly runs: ReadonlySet<string>;
  /** Answers that were none of 2xx, as `503 STORE_FULL`; `no answer`. */
  readonly refusals: ReadonlySet<string>;
}

export function makePatientClient(rig: Rig, { patienceMs }: { readonly patienceMs: number }): PatientClient {
  const runs = new Set<string>();
  const refusals = new Set<string>();
  const ask = async (path: string, body?: string): Promise<Record<string, unknown> | undefined> => {
    try {
      const answer = await fetch(`${rig.stepgate.gateway?.url}${path}`, {
        ...(body === undefined ? {} : { method: "POST", body }),
        headers: {
          authorization: "Bearer acceptance-test-admin-key-0123456789",
          "content-type": "application/json",
        },
      });
      const view = (await answer.json()) as Record<string, unknown>;
      if (answer.ok) return view;
      refusals.add(`${answer.status} ${String(view["code"] ?? "not ready")}`);
    } catch {
      refusals.add("no answer");
    }
    return undefined;
  };
  return {
    runs,
    refusals,
    submit: async (id) => {
      for (;;) {
        const answer = await ask("/v1/runs", submissionOf(id));
        if (answer !== undefined) {
          runs.add(String(answer["run_uid"]));
          return;
        }
        await delay(20);
      }
    },
    untilSealed: async () => {
      const open = new Set(runs);
      const endMs = performance.now() + patienceMs;
      while (open.size > 0) {
        if (performance.now() > endMs) throw new TypeError(`${open.size} runs do not end: ${[...refusals].join(", ")}`);
        for (const run of open) {
          const view = await ask(`/v1/runs/${run}`);
          const outcome = view?.["outcome"] as { readonly seal_record_id?: string } | undefined;
          if (isRunEnded(view?.["status"] as Parameters<typeof isRunEnded>[0]) && outcome?.seal_record_id !== undefined)
            open.delete(run);
        }
        await delay(50);
      }
    },
  };
}

function submissionOf(id: string): string {
  return JSON.stringify({
    id,
    budget: { tokens: 1000 },
    steps: STEPS.map((name) => ({
      id: name,
      type: "sink",
      inputs: { tokens: STEP_TOKENS },
      execution: { max_attempts: 3, cost_hint: { tokens: 10 } },
    })),
    edges: [
      ["a", "b"],
      ["b", "c"],
    ],
  });
}

/** Nothing is lost, settled twice or still held, and every book says what the ledger says; run by run, the evidence verifies. */
export async function keptPromises(
  t: Test,
  rig: Rig,
  client: PatientClient,
  { runs, verified = runs }: { readonly runs: number; readonly verified?: number },
): Promise<void> {
  t.equal(client.runs.size, runs, "every submission is one run, also where its first answer was lost");
  const [sums] = await rig.rows(`
    select (select sum(actual_tokens)::bigint from stepgate.cost_ledger) as ledger,
           (select sum(tokens_used)::bigint from stepgate.budgets) as budgets,
           (select sum(tokens_reserved)::bigint from stepgate.budgets) as held,
           (select sum(used)::bigint from stepgate.quota_usage) as quota,
           (select sum(reserved)::bigint from stepgate.quota_usage) as quota_held,
           (select sum(tokens)::bigint from stepgate.billing_usage) as billed,
           (select count(*)::integer from stepgate.ready_steps) as ready,
           (select count(*)::integer from stepgate.runs) as runs,
           (select count(*)::integer from stepgate.records where kind = 'seal') as seals,
           (select count(*)::integer from (select 1 from stepgate.run_events where type in ('step_succeeded', 'step_failed')
              group by run_uid, step_id having count(*) > 1) x) as twice`);
  for (const book of ["budgets", "quota", "billed"])
    t.equal(sums?.[book], sums?.["ledger"], `${book} and ledger agree`);
  t.match(sums, { held: 0, quota_held: 0, ready: 0, runs, seals: runs, twice: 0 });
  t.ok(Number(sums?.["ledger"] ?? 0) >= runs * STEPS.length * STEP_TOKENS, "every step was charged");
  for (const runUid of [...client.runs].slice(0, verified)) await verifies(t, rig, runUid as RunUid);
}
