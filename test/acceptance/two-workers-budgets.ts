/**
 * Budgets and quotas where two worker processes draw on them (spec 01 A9; spec 03 B1, B4, B6, B9), each with a dollar in flight.
 */
import type { RunUid } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { ExecutorResult } from "../../src/executors/contract.ts";
import { verifies } from "./evidence-of.ts";
import { done, type Rig } from "./rig.ts";
import { type Cases, DOLLAR, makeMeeting, twice } from "./two-workers.ts";

/** Everything that holds for tokens holds for money. */
const UNITS = ["tokens", "usd_micros"] as const;
const asking = (id: string, tokens: number, usd_micros = 0) => ({
  ...{ id, type: "sink", inputs: {} },
  execution: { cost_hint: { tokens, usd_micros } },
});
const refusalOf = async (rig: Rig, runUid: RunUid): Promise<JsonObject> =>
  (await rig.events(runUid)).find(({ type }) => type === "step_refused")?.data ?? {};

const STEPS = 1000;
const LIMIT = 2000;
const DEAR = 5000;
/** What a step asks for that says nothing. */
const DEFAULT = 4;
/** What is reported of each unit, in all pairs. */
const AMOUNTS = [0, -1, Number.NaN, Number("1e400"), undefined, 9];
/** Between two looks at the books of a run. */
const SAMPLE_MS = 3;

const isUsable = (amount: number | undefined): boolean => Number.isSafeInteger(amount) && Number(amount) >= 0;

interface Sample {
  readonly reserved: number;
  readonly used: number;
  readonly overrun: number;
}

/** Both units of one instant, again and again until the run has ended. */
async function sampleUntilEnd(rig: Rig, runUid: RunUid): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  let isOver = false;
  const sampling = (async () => {
    while (!isOver) {
      const rows = await rig.rows(
        `select tokens_reserved as reserved, tokens_used as used, tokens_overrun as overrun
           from stepgate.budgets where run_uid = $1 union all
         select usd_micros_reserved, usd_micros_used, usd_micros_overrun from stepgate.budgets where run_uid = $1`,
        [runUid],
      );
      samples.push(...(rows as never[]));
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    }
  })();
  await rig
    .until(runUid, (_steps, run) => ["failed", "succeeded"].includes(run.status))
    .finally(() => {
      isOver = true;
    });
  await sampling;
  return samples;
}

export const budgetCases: Cases = {
  "A9 B1 what fits is granted and tracked, what does not is denied, no budget is unlimited and untracked": async (
    t,
    two,
  ) => {
    const { rig } = two;
    const meet = makeMeeting();
    const play = () => two.play(() => done(null, { tokens: 4, usdMicros: 400_000 }));
    const budget = { tokens: 100, usd_micros: 10_000_000 };
    const first = two.play(async ({ pid }) => {
      await meet(pid);
      return done(null, { tokens: 4, usdMicros: 400_000 });
    });
    const granted = await twice(two, { steps: [asking("a", 10, DOLLAR)], budget, time_limit_ms: 600_000 });
    for (const runUid of granted) {
      const run = await rig.ended(runUid);
      t.equal(run.status, "succeeded");
      t.same(run.budget, {
        tokens: { limit: 100, used: 4, reserved: 0, overrun: 0 },
        usdMicros: { limit: 10_000_000, used: 400_000, reserved: 0, overrun: 0 },
      });
      t.match((await rig.events(runUid)).find(({ type }) => type === "step_succeeded")?.data, {
        budget: {
          tracked: true,
          reserved: { tokens: 10, usd_micros: DOLLAR },
          actual: { tokens: 4, usd_micros: 400_000 },
          limits: budget,
          totals: { tokens: { used: 0, reserved: 10 }, usd_micros: { used: 0, reserved: DOLLAR } },
        },
      });
      const told = first.find((call) => call.runUid === runUid)?.budget;
      t.match(told, {
        tracked: true,
        tokens: { limit: 100, used: 0, reserved: 0, remaining: 100 },
        usd_micros: { limit: 10_000_000, remaining: 10_000_000 },
      });
      const asked = two.decided().find(({ run }) => (run as JsonObject)["id"] === runUid);
      t.same(told, asked?.["budget"], "the executor is told the same as the packs");
      const [row] = await rig.rows(
        "select (extract(epoch from time_limit_at) * 1000)::bigint as at from stepgate.runs where run_uid = $1",
        [runUid],
      );
      t.equal(told?.["time_limit_at_ms"], Number(row?.["at"]));
    }
    t.equal(await two.workersOf(...granted), 2);

    // 200 alone would be refused at submission: two of 60 pass it, and the second is denied in *admit*
    const calls = play();
    const fitting = await rig.submit({
      steps: [asking("a", 60), asking("b", 60)],
      budget: { tokens: 100 },
      run_config: { execution_mode: "sequential" },
    });
    await rig.ended(fitting);
    t.equal(calls.length, 2, "60 of which 4 were used, and 60 more fit");
    const over: RunUid[] = [];
    for (const [unit, used] of [
      ["tokens", 4],
      ["usd_micros", 400_000],
    ] as const) {
      const limit = used * 25;
      const step = (id: string) => (unit === "tokens" ? asking(id, limit) : asking(id, 0, limit));
      const runUid = await rig.submit({
        steps: [step("a"), step("b")],
        budget: { [unit]: limit },
        run_config: { execution_mode: "sequential" },
      });
      over.push(runUid);
      const before = calls.length;
      t.equal((await rig.ended(runUid)).status, "failed");
      t.match((await rig.steps(runUid)).get("b"), { state: "failed", errorKind: "budget_exceeded", attemptsMade: 0 });
      t.match(await refusalOf(rig, runUid), {
        stage: "admit",
        detail: { which: unit, limit, used, reserved: 0, requested: limit },
      });
      t.equal(calls.length, before + 1, `denied by its ${unit}, the second never ran`);
    }
    await t.rejects(
      rig.submit({ steps: [asking("a", 200, 20_000_000)], budget }),
      { code: "PLAN_NEVER_ADMISSIBLE" },
      "more than the whole budget is refused before anything is stored",
    );

    play();
    const free = await rig.submit({ steps: [asking("a", 1_000_000)] });
    t.equal((await rig.ended(free)).budget, undefined, "untracked");
    t.same(two.decided()[0]?.["budget"], { tracked: false });
    const { budget: untracked } = (await rig.events(free)).at(-2)?.data ?? {};
    t.same(Object.keys(untracked as JsonObject).sort(), ["actual", "deltas", "reserved", "tracked", "usage_source"]);
    play();
    const zero = await rig.submit({ steps: [asking("a", 0)], budget });
    t.equal((await rig.ended(zero)).status, "succeeded");
    t.match(two.decided()[0]?.["budget"], {
      tracked: true,
      tokens: { limit: 100, used: 0, reserved: 0, remaining: 100 },
    });
    for (const runUid of [...granted, ...over, free]) await verifies(t, rig, runUid);
  },

  "B4 64 concurrent requests of 10 against 100: exactly 10 are granted, by two worker processes": async (t, two) => {
    const { rig } = two;
    // eight at once are fewer than the ten that are granted: no worker can run them all
    const usd_micros = DOLLAR / 8;
    for (const [unit, amount] of [
      ["tokens", 10],
      ["usd_micros", usd_micros],
    ] as const) {
      // what a step reserves stays reserved: every granted one hangs until its run is cancelled
      two.play(
        (_call, _number, signal) =>
          new Promise((resolve) => signal.addEventListener("abort", () => resolve(done(null)))),
      );
      const steps = Array.from({ length: 64 }, (_, index) => asking(`s${index}`, 10, usd_micros));
      const runUid = await rig.submit({ steps, budget: { [unit]: amount * 10 } });
      await rig.until(runUid, (found) =>
        [...found.values()].every(({ state }) => state === "running" || state === "failed"),
      );
      const states = [...(await rig.steps(runUid)).values()];
      t.equal(states.filter(({ state }) => state === "running").length, 10, unit);
      t.equal(states.filter(({ errorKind }) => errorKind === "budget_exceeded").length, 54, unit);
      t.match(
        await rig.rows(
          `select ${unit}_used as used, ${unit}_reserved as reserved, ${unit}_overrun as overrun from stepgate.budgets
            where run_uid = $1`,
          [runUid],
        ),
        [{ used: 0, reserved: amount * 10, overrun: 0 }],
      );
      const owners = await rig.rows(
        "select distinct lease_owner from stepgate.ready_steps where run_uid = $1 and state = 'running'",
        [runUid],
      );
      t.equal(owners.length, 2, "both workers run some of them");
      await rig.stepgate.rooms.store.cancel(rig.tenantUid, runUid, "test");
      await rig.until(runUid, (_, run) => run.status === "cancelled");
    }
  },

  "B6 what one worker reserves of a day's quota another cannot have: the step ends, naming the quota and its reset":
    async (t, two) => {
      const { rig } = two;
      const amount = { tokens: 50, usd_micros: DOLLAR };
      for (const unit of UNITS) {
        const quota = `daily_${unit}`;
        const limit = amount[unit] * 1.2;
        await two.setTenant({ quotas: [{ id: quota, unit, window: "day", limit }] });
        let release = (): void => undefined;
        const calls = two.play(
          () =>
            new Promise<ExecutorResult>((resolve) => {
              release = () => resolve(done(null, { tokens: amount.tokens, usdMicros: amount.usd_micros }));
            }),
        );
        const plan = { steps: [asking("a", amount.tokens, amount.usd_micros)] };
        const running = await rig.submit(plan);
        await rig.until(running, () => calls.length === 1);
        // the first has its hands full with a dollar
        const refused = await rig.submit(plan);
        t.equal((await rig.ended(refused)).status, "failed");
        t.match((await rig.steps(refused)).get("a"), { state: "failed", errorKind: "quota_exceeded", attemptsMade: 0 });
        const { detail } = await refusalOf(rig, refused);
        t.match(detail, { quota, unit, limit, used: 0, reserved: amount[unit], requested: amount[unit] });
        const midnightMs = new Date().setUTCHours(24, 0, 0, 0);
        t.equal((detail as JsonObject)["resets_at_ms"], midnightMs);
        release();
        t.equal((await rig.ended(running)).status, "succeeded");
        t.equal(await two.workersOf(running, refused), 2);
        t.match(
          await rig.rows("select used, reserved, overrun from stepgate.quota_usage where quota_id = $1", [quota]),
          [{ used: amount[unit], reserved: 0, overrun: 0 }],
        );
        t.equal(calls.length, 1, "the second never ran");
        await verifies(t, rig, refused);
      }
    },

  "B9 1 000 metered steps without a hint, and usage that is none: reservations stay within the limit": async (
    t,
    two,
  ) => {
    const { rig } = two;
    const meet = makeMeeting();
    const reported = { tokens: 0, usd_micros: 0 };
    const count = (tokens: number | undefined, usdMicros: number | undefined): void => {
      reported.tokens += isUsable(tokens) ? Number(tokens) : DEFAULT;
      reported.usd_micros += isUsable(usdMicros) ? Number(usdMicros) : DEFAULT;
    };
    const calls = two.play(async ({ stepId, pid }, call): Promise<ExecutorResult> => {
      await meet(pid);
      if (stepId === "broken") {
        count(undefined, undefined);
        return { ok: false, kind: "execution_error", retryable: false, code: "boom", message: "", toolEvents: [] };
      }
      const isUndo = stepId === "undo";
      const tokens = isUndo ? DEAR : AMOUNTS[call % AMOUNTS.length];
      const usdMicros = isUndo ? DEAR : AMOUNTS[Math.floor(call / AMOUNTS.length) % AMOUNTS.length];
      count(tokens, usdMicros);
      const usage = {
        ...(tokens === undefined ? {} : { tokens }),
        ...(usdMicros === undefined ? {} : { usdMicros }),
      };
      const isSilent = tokens === undefined && usdMicros === undefined;
      return { ok: true, output: null, toolEvents: [], ...(isSilent ? {} : { usage }) };
    });
    await two.setTenant({ default_requests: { metered: { tokens: DEFAULT, usd_micros: DEFAULT } } });
    const step = (id: string) => ({ id, type: "metered", inputs: {} });
    const runUid = await rig.submit({
      steps: [
        { ...step("origin"), execution: { compensation: { step: "undo", on: "failure_of_run" } } },
        { ...step("undo"), execution: { cost_hint: { tokens: DEAR, usd_micros: DEAR } } },
        ...Array.from({ length: STEPS }, (_, index) => step(`s${index}`)),
        step("broken"),
      ],
      budget: { tokens: LIMIT, usd_micros: LIMIT },
    });
    const samples = await sampleUntilEnd(rig, runUid);
    t.ok(samples.length > 3, `${samples.length} samples`);
    const above = samples.filter(({ reserved }) => reserved > LIMIT + DEAR);
    t.same(above, [], "reservations never exceed the limit and the hint of a compensation");
    const unreported = samples.filter(({ reserved, used, overrun }) => used + reserved > LIMIT + overrun);
    t.same(unreported, [], "whatever is above the limit is reported as overrun");
    const beforeUndo = samples.filter(({ reserved }) => reserved < DEAR);
    t.same(
      beforeUndo.filter(({ reserved }) => reserved > LIMIT),
      [],
      "without a compensation they never exceed the limit",
    );
    const steps = [...(await rig.steps(runUid)).values()];
    const refused = steps.filter(({ errorKind }) => errorKind === "budget_exceeded");
    t.ok(refused.length > 0 && calls.length < STEPS, `${refused.length} steps were refused`);
    t.match(
      steps.find(({ stepId }) => stepId === "undo"),
      { state: "succeeded" },
    );
    for (const unit of UNITS) {
      const [books] = await rig.rows(
        `select b.${unit}_used as used, b.${unit}_reserved as reserved, b.${unit}_overrun as overrun,
                (select sum(actual_${unit})::bigint from stepgate.cost_ledger l where l.run_uid = b.run_uid) as ledger
           from stepgate.budgets b where b.run_uid = $1`,
        [runUid],
      );
      const used = reported[unit];
      // the compensation comes last and is the dearest: what is above the limit is highest at the end
      t.same(
        books,
        { used, reserved: 0, overrun: used - LIMIT, ledger: used },
        `${unit}: what was reported, or reserved where nothing usable was, is charged, and what is above the limit shown`,
      );
    }
    t.equal(await two.workersOf(runUid), 2);

    const performed = calls.length;
    const unhinted = await rig.submit({
      steps: Array.from({ length: 64 }, (_, index) => ({ ...step(`s${index}`), type: "unhinted" })),
      budget: { tokens: LIMIT },
    });
    await rig.ended(unhinted);
    const kinds = [...(await rig.steps(unhinted)).values()].map(({ errorKind, reasons }) => `${errorKind} ${reasons}`);
    t.same([...new Set(kinds)], ["budget_exceeded uncapped"], "without a default nothing caps them, and none runs");
    t.equal(calls.length, performed);
  },
};
