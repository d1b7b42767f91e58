/**
 * What two worker processes charge of one budget, quota and bill at the same time (spec 03, B6, B8), each with a dollar in flight.
 *
 * The bill is of the whole database: it comes after whatever else spends there.
 */
import type { Test } from "tap";
import type { RunUid } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { runCli } from "../cli/run-cli.ts";
import { ADMIN_KEY } from "./live-api.ts";
import { done, failure, type Rig } from "./rig.ts";
import { type Cases, DOLLAR, makeMeeting, type TwoWorkers, twice } from "./two-workers.ts";

const asking = (id: string, tokens: number, execution: JsonObject = {}) => ({
  ...{ id, type: "sink", inputs: {} },
  execution: { cost_hint: { tokens, usd_micros: DOLLAR }, ...execution },
});
const warningsOf = async (rig: Rig, runs: readonly RunUid[]): Promise<readonly JsonObject[]> =>
  (await Promise.all(runs.map(rig.events)))
    .flat()
    .flatMap(({ type, data }) => (type === "budget_warning" ? [data] : []));

/** Uses so much in each call, once both workers have made one. */
function playTogether(two: TwoWorkers, usage: { readonly tokens: number; readonly usdMicros: number }): void {
  const meet = makeMeeting();
  two.play(async ({ pid }) => {
    await meet(pid);
    return done(null, usage);
  });
}

export const billCases: Cases = {
  "B6 a quota of which two workers use most at once warns once in its window, and so does a run's budget": async (
    t,
    two,
  ) => {
    const { rig } = two;
    const usage = { tokens: 45, usd_micros: 800_000 };
    for (const unit of ["tokens", "usd_micros"] as const) {
      const quota = `warned_${unit}`;
      const limit = usage[unit] * 3;
      const quotas = [{ id: quota, unit, window: "day", limit }];
      await two.setTenant({ quotas, warn_ratio_ppm: 600_000 });
      playTogether(two, { tokens: usage.tokens, usdMicros: usage.usd_micros });
      const runs = await twice(two, { steps: [asking("a", 1)] });
      for (const runUid of runs) await rig.ended(runUid);
      t.equal(await two.workersOf(...runs), 2);
      const resets = { resets_at_ms: new Date().setUTCHours(24, 0, 0, 0) };
      const warning = { of: "quota", quota, unit, window: "day", limit, used: usage[unit] * 2, reserved: 0, ...resets };
      t.same(await warningsOf(rig, runs), [warning], `${unit}: by the second that is charged`);
      const later = await rig.submit({ steps: [asking("a", 1, { cost_hint: {} })] });
      await rig.ended(later);
      t.same(await warningsOf(rig, [later]), [], "once a window");
    }
    await two.setTenant();

    playTogether(two, { tokens: usage.tokens, usdMicros: 0 });
    const both = await rig.submit({ steps: [asking("a", 50), asking("b", 50)], budget: { tokens: 100 } });
    t.equal((await rig.ended(both)).status, "succeeded");
    t.equal(await two.workersOf(both), 2);
    t.same(await warningsOf(rig, [both]), [{ of: "run", unit: "tokens", limit: 100, used: 90, reserved: 0 }]);
  },

  "B8 what two workers charge is what the bill says, each failed attempt too; what is denied costs nothing": async (
    t,
    two,
  ) => {
    const { rig } = two;
    const bill = await readBill(t, rig);
    const before = await bill();
    t.match(before, { code: 0, isEqual: true }, "all that came before, lost attempts and cancelled runs among it");
    const meet = makeMeeting();
    const calls = two.play(async ({ pid, attempt }) => {
      await meet(pid);
      return attempt === 1 ? failure() : done(null, { tokens: 4, usdMicros: 40 });
    });
    const runs = await twice(two, {
      steps: [asking("retried", 10, { max_attempts: 2, retry_backoff_ms: 10 }), asking("denied", 94)],
      budget: { tokens: 100 },
      run_config: { execution_mode: "sequential" },
    });
    for (const runUid of runs) {
      t.equal((await rig.ended(runUid)).status, "failed");
      t.match((await rig.steps(runUid)).get("denied"), { errorKind: "budget_exceeded", attemptsMade: 0 });
      t.match(
        await rig.rows(
          "select kind, actual_tokens, actual_usd_micros from stepgate.cost_ledger where run_uid = $1 order by lease_epoch",
          [runUid],
        ),
        [
          { kind: "retry_scheduled", actual_tokens: 3, actual_usd_micros: 7 },
          { kind: "succeeded", actual_tokens: 4, actual_usd_micros: 40 },
          { kind: "refused", actual_tokens: 0, actual_usd_micros: 0 },
        ],
      );
    }
    t.equal(calls.length, 4);
    t.equal(await two.workersOf(...runs), 2);
    const after = await bill();
    t.match(after, { code: 0, isEqual: true });
    t.same(
      { attempts: after.attempts - before.attempts, tokens: after.tokens - before.tokens, usd: after.usd - before.usd },
      { attempts: 4, tokens: 14, usd: 94 },
    );
    const day = "where day = (now() at time zone 'UTC')::date";
    await rig.rows(`update stepgate.billing_usage set usd_micros = usd_micros + 1 ${day}`);
    t.match(await bill(), { code: 1, isEqual: false }, "the control");
    await rig.rows(`update stepgate.billing_usage set usd_micros = usd_micros - 1 ${day}`);
  },
};

interface Bill {
  readonly code: number;
  readonly isEqual: boolean;
  readonly attempts: number;
  readonly tokens: number;
  readonly usd: number;
}

/** The bill of all days, compared with the ledger by the command that operators use. */
async function readBill(t: Test, rig: Rig): Promise<() => Promise<Bill>> {
  const { home } = rig.stepgate.rooms.config.instance;
  const env = { STEPGATE_HOME: home, STEPGATE_ADMIN_KEY: ADMIN_KEY };
  return async () => {
    const asked = ["billing", "recompute", "--json", "--url", rig.stepgate.gateway?.url ?? ""];
    const { code, out, err } = await runCli(asked, env);
    t.equal(err, "", "nothing is said beside it");
    const { days, is_equal: isEqual } = JSON.parse(out);
    const sum = (name: string): number =>
      days.reduce((all: number, { billed }: { billed: Record<string, number> }) => all + (billed[name] ?? 0), 0);
    return { code, isEqual, attempts: sum("attempts"), tokens: sum("tokens"), usd: sum("usd_micros") };
  };
}
