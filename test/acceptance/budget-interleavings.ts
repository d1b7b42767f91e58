/**
 * B7: whatever two workers run, retry, cancel or lose, and in whatever order: at every instant used is what the ledger says,
 * reserved is what runs, nothing is negative, and nothing is above its limit but for the overrun that is reported.
 *
 * Of the whole database: it comes before whatever else spends there.
 */
import fc from "fast-check";
import type { RunUid } from "../../src/core/ids.ts";
import type { ExecutorResult } from "../../src/executors/contract.ts";
import { done, failure, type Rig } from "./rig.ts";
import type { Cases, PlayedCall } from "./two-workers.ts";

const RUNS = 12;
const tenant = {
  quotas: [
    { id: "daily", unit: "tokens", window: "day", limit: 600 },
    { id: "money", unit: "usd_micros", window: "lifetime", limit: 1_000_000 },
    { id: "at_once", unit: "concurrent_steps", window: "lifetime", limit: 3 },
  ],
  concurrency_limits: { shared: 1 },
};

const attempt = fc.record({
  end: fc.constantFrom("ok" as const, "ok" as const, "error" as const, "throw" as const, "hang" as const),
  tokens: fc.nat(30),
});
const step = fc.record({
  hint: fc.nat(30),
  attempts: fc.array(attempt, { minLength: 2, maxLength: 2 }),
  isKeyed: fc.boolean(),
});
const plan = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 8 }),
  limit: fc.integer({ min: 30, max: 120 }),
  /** After how many calls of executors the run is cancelled, or the worker loses its lease. */
  cancelAfter: fc.option(fc.integer({ min: 1, max: 6 }), { freq: 3 }),
  crashAfter: fc.option(fc.integer({ min: 1, max: 6 }), { freq: 2 }),
});
type Plan = typeof plan extends fc.Arbitrary<infer P> ? P : never;

/** Rows that break the promise now; one statement, so one instant. */
const BROKEN = `
  with ledger as (select run_uid, sum(actual_tokens) as tokens, sum(actual_usd_micros) as usd from stepgate.cost_ledger group by 1),
  held as (select run_uid, sum(reserved_tokens) as tokens, sum(reserved_usd_micros) as usd, count(*) as steps
             from stepgate.ready_steps where state = 'running' group by 1)
  select 'run' as of, b.run_uid::text as id, to_jsonb(b) as row, l.tokens as ledger, h.tokens as held
    from stepgate.budgets b left join ledger l using (run_uid) left join held h using (run_uid)
   where b.tokens_used <> coalesce(l.tokens, 0) or b.tokens_reserved <> coalesce(h.tokens, 0)
      or b.usd_micros_used <> coalesce(l.usd, 0) or b.usd_micros_reserved <> coalesce(h.usd, 0)
      or least(b.tokens_used, b.tokens_reserved, b.tokens_overrun, b.usd_micros_used, b.usd_micros_reserved) < 0
      or b.tokens_used + b.tokens_reserved > b.tokens_limit + b.tokens_overrun
  union all
  select 'quota', q.quota_id, to_jsonb(a), x.used, x.held
    from stepgate.quotas q join stepgate.quota_usage a using (tenant_uid, quota_id),
         lateral (select case q.unit when 'tokens' then (select coalesce(sum(tokens), 0) from ledger)
                                     when 'usd_micros' then (select coalesce(sum(usd), 0) from ledger) else 0 end as used,
                         case q.unit when 'tokens' then (select coalesce(sum(tokens), 0) from held)
                                     when 'usd_micros' then (select coalesce(sum(usd), 0) from held)
                                     else (select coalesce(sum(steps), 0) from held) end as held) as x
   where a.used <> x.used or a.reserved <> x.held or a.used + a.reserved > q.quota_limit + a.overrun`;

function perform({ steps }: Plan, { stepId, attempt: number }: PlayedCall, signal: AbortSignal) {
  const { attempts } = steps[Number(stepId.slice(1))] ?? { attempts: [] };
  const { end, tokens } = attempts[number - 1] ?? { end: "ok", tokens: 0 };
  const usage = { tokens, usdMicros: tokens * 10 };
  if (end === "throw") throw new TypeError("no usage is known");
  if (end === "hang")
    return new Promise<ExecutorResult>((resolve) => signal.addEventListener("abort", () => resolve(done(null, usage))));
  return end === "ok" ? done(null, usage) : failure({ usage });
}

function submit(rig: Rig, { steps, limit }: Plan): Promise<RunUid> {
  return rig.submit({
    budget: { tokens: limit },
    steps: steps.map(({ hint, isKeyed, attempts }, index) => ({
      ...{ id: `s${index}`, type: "sink", inputs: {} },
      execution: {
        ...{
          cost_hint: { tokens: hint, usd_micros: hint * 10 },
          max_attempts: 2,
          retry_backoff_ms: 1,
        },
        // what hangs ends by its deadline; on a slow machine a deadline for all would refuse them before they start
        ...(attempts.some(({ end }) => end === "hang") ? { deadline_ms: 1000 } : {}),
        ...(isKeyed ? { concurrency_key: "shared" } : {}),
      },
    })),
  });
}

async function watch(rig: Rig, runUid: RunUid): Promise<readonly unknown[]> {
  const broken: unknown[] = [];
  let hasEnded = false;
  const ended = rig.ended(runUid).finally(() => {
    hasEnded = true;
  });
  while (!hasEnded) broken.push(...(await rig.rows(BROKEN)));
  await ended;
  broken.push(...(await rig.rows(BROKEN)));
  return broken;
}

export const interleavingCases: Cases = {
  "B7 used is the ledger and reserved is what runs, at every instant of any interleaving": async (t, two) => {
    const { rig } = two;
    await two.setTenant(tenant);
    const pids = new Set<number>();
    await fc.assert(
      fc.asyncProperty(plan, async (planned) => {
        two.play((called, number, signal) => {
          pids.add(called.pid);
          if (number === planned.cancelAfter)
            void rig.stepgate.rooms.store.cancel(rig.tenantUid, called.runUid, "test");
          if (number === planned.crashAfter)
            void rig.rows("update stepgate.workers set lease_until = now() - interval '1 second'");
          return perform(planned, called, signal);
        });
        const [broken] = await watch(rig, await submit(rig, planned));
        if (broken !== undefined) throw new TypeError(JSON.stringify(broken));
      }),
      { numRuns: RUNS, endOnFailure: true },
    );
    t.same(pids, new Set(two.pids), "both workers were at it");
    const kinds = await rig.rows("select distinct kind from stepgate.cost_ledger order by kind");
    t.ok(kinds.length >= 3, `the plans led to ${kinds.map(({ kind }) => kind).join(", ")}`);
    const [overrun] = await rig.rows("select max(tokens_overrun) as most from stepgate.budgets");
    t.comment(`largest overrun of a run: ${overrun?.["most"]} tokens`);
  },
};
