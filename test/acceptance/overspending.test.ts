/**
 * What must never be spent, whatever is not declared, not counted or reported as nonsense (spec 03 B9; spec 09 E2).
 */
import t from "tap";
import type { ExecutorAdapter, ExecutorResult } from "../../src/executors/contract.ts";
import { forEachDatabase } from "../storage/test-database.ts";
import { allow, makeSink, startRig } from "./rig.ts";

const tenant = { runtime_pack: "runtime", required_guardrails: [] };
const STEPS = 1000;
const LIMIT = 2000;
const DEAR = 5000;
/** What a step asks for that says nothing. */
const DEFAULT = 4;

t.test(
  "B9 1 000 metered steps without a hint, and usage that is none: reservations stay within the limit",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      /** Of each unit, in all pairs. */
      const amounts = [0, -1, Number.NaN, Number("1e400"), undefined, 9];
      const isUsable = (amount: number | undefined) => Number.isSafeInteger(amount) && Number(amount) >= 0;
      const reported = { tokens: 0, usd_micros: 0 };
      const count = (tokens: number | undefined, usdMicros: number | undefined): void => {
        reported.tokens += isUsable(tokens) ? Number(tokens) : DEFAULT;
        reported.usd_micros += isUsable(usdMicros) ? Number(usdMicros) : DEFAULT;
      };
      const sink = makeSink(({ stepId }, call): ExecutorResult => {
        if (stepId === "broken") {
          count(undefined, undefined);
          return { ok: false, kind: "execution_error", retryable: false, code: "boom", message: "", toolEvents: [] };
        }
        const isUndo = stepId === "undo";
        const tokens = isUndo ? DEAR : amounts[call % amounts.length];
        const usdMicros = isUndo ? DEAR : amounts[Math.floor(call / amounts.length) % amounts.length];
        count(tokens, usdMicros);
        const usage = {
          ...(tokens === undefined ? {} : { tokens }),
          ...(usdMicros === undefined ? {} : { usdMicros }),
        };
        const isSilent = tokens === undefined && usdMicros === undefined;
        return { ok: true, output: null, toolEvents: [], ...(isSilent ? {} : { usage }) };
      });
      const metered = (type: string): ExecutorAdapter => ({
        ...sink.adapter,
        type,
        describe: () => ({ ...sink.adapter.describe(), type, meters: ["tokens", "usd_micros"] }),
      });
      const rig = await startRig(t, {
        database,
        packs: { runtime: allow },
        adapters: [metered("metered"), metered("unhinted")],
        tenant: { ...tenant, default_requests: { metered: { tokens: DEFAULT, usd_micros: DEFAULT } } },
      });
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
      const samples: { readonly reserved: number; readonly used: number; readonly overrun: number }[] = [];
      let isOver = false;
      const sampling = (async () => {
        while (!isOver) {
          // both units of one instant
          const rows = await rig.rows(
            `select tokens_reserved as reserved, tokens_used as used, tokens_overrun as overrun
               from stepgate.budgets where run_uid = $1 union all
             select usd_micros_reserved, usd_micros_used, usd_micros_overrun from stepgate.budgets where run_uid = $1`,
            [runUid],
          );
          samples.push(...(rows as never[]));
        }
      })();
      await rig
        .until(runUid, (_steps, run) => ["failed", "succeeded"].includes(run.status))
        .finally(() => {
          isOver = true;
        });
      await sampling;
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
      t.ok(refused.length > 0 && sink.calls.length < STEPS, `${refused.length} steps were refused`);
      t.match(
        steps.find(({ stepId }) => stepId === "undo"),
        { state: "succeeded" },
      );
      for (const unit of ["tokens", "usd_micros"] as const) {
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

      const performed = sink.calls.length;
      const unhinted = await rig.submit({
        steps: Array.from({ length: 64 }, (_, index) => ({ ...step(`s${index}`), type: "unhinted" })),
        budget: { tokens: LIMIT },
      });
      await rig.ended(unhinted);
      const kinds = [...(await rig.steps(unhinted)).values()].map(
        ({ errorKind, reasons }) => `${errorKind} ${reasons}`,
      );
      t.same([...new Set(kinds)], ["budget_exceeded uncapped"], "without a default nothing caps them, and none runs");
      t.equal(sink.calls.length, performed);
    });
  },
);

t.test("E2 arguments against the schema: refused before anything is decided, nothing charged", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    let asked = 0;
    const sink = makeSink(() => ({ ok: true, output: null, toolEvents: [] }));
    const strict: ExecutorAdapter = {
      ...sink.adapter,
      inputsSchema: { type: "object", required: ["to"], properties: { to: { type: "string" } } },
    };
    const rig = await startRig(t, {
      database,
      packs: {
        runtime: () => {
          asked += 1;
          return { effect: "allow" };
        },
      },
      adapters: [strict],
      tenant,
    });
    const execution = { cost_hint: { tokens: 5 } };
    for (const inputs of [{}, { to: 7 }, { to: null }]) {
      const runUid = await rig.submit({
        steps: [{ id: "a", type: "sink", inputs, execution }],
        budget: { tokens: 10 },
      });
      const run = await rig.ended(runUid);
      t.match((await rig.steps(runUid)).get("a"), { state: "failed", errorKind: "invalid_request", attemptsMade: 0 });
      t.match(run.budget, { tokens: { used: 0, reserved: 0 } });
      t.match(
        await rig.rows("select kind, reserved_tokens, actual_tokens from stepgate.cost_ledger where run_uid = $1", [
          runUid,
        ]),
        [{ kind: "refused", reserved_tokens: 0, actual_tokens: 0 }],
      );
    }
    t.equal(asked, 0);
    t.equal(sink.calls.length, 0);
    const good = await rig.submit({ steps: [{ id: "a", type: "sink", inputs: { to: "x" }, execution }] });
    t.equal((await rig.ended(good)).status, "succeeded", "the control: what fits the schema passes");
  });
});
