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

t.test(
  "B9 1 000 metered steps without a hint, and usage that is none: reservations stay within the limit",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const usages: readonly ExecutorResult["usage"][] = [
        { tokens: 0 },
        { tokens: -1 },
        { tokens: Number.NaN },
        { tokens: Number("1e400") },
        undefined,
        { tokens: 9 },
      ];
      let reported = 0;
      const sink = makeSink(({ stepId }, call): ExecutorResult => {
        if (stepId === "broken")
          return { ok: false, kind: "execution_error", retryable: false, code: "boom", message: "", toolEvents: [] };
        const usage = stepId === "undo" ? { tokens: DEAR } : usages[call % usages.length];
        reported += Number.isSafeInteger(usage?.tokens) && Number(usage?.tokens) >= 0 ? Number(usage?.tokens) : 4;
        return { ok: true, output: null, toolEvents: [], ...(usage === undefined ? {} : { usage }) };
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
        // what a step that says nothing asks for
        tenant: { ...tenant, default_requests: { metered: { tokens: 4, usd_micros: 0 } } },
      });
      const step = (id: string) => ({ id, type: "metered", inputs: {} });
      const runUid = await rig.submit({
        steps: [
          { ...step("origin"), execution: { compensation: { step: "undo", on: "failure_of_run" } } },
          { ...step("undo"), execution: { cost_hint: { tokens: DEAR } } },
          ...Array.from({ length: STEPS }, (_, index) => step(`s${index}`)),
          step("broken"),
        ],
        budget: { tokens: LIMIT },
      });
      const samples: { readonly reserved: number; readonly used: number; readonly overrun: number }[] = [];
      let isOver = false;
      const sampling = (async () => {
        while (!isOver) {
          const [row] = await rig.rows(
            "select tokens_reserved as reserved, tokens_used as used, tokens_overrun as overrun from stepgate.budgets where run_uid = $1",
            [runUid],
          );
          samples.push(row as never);
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
      const [books] = await rig.rows(
        `select b.tokens_used as used, b.tokens_reserved as reserved, b.tokens_overrun as overrun,
              (select sum(actual_tokens)::bigint from stepgate.cost_ledger l where l.run_uid = b.run_uid) as ledger
         from stepgate.budgets b where b.run_uid = $1`,
        [runUid],
      );
      t.equal(books?.["used"], books?.["ledger"]);
      t.equal(books?.["reserved"], 0);
      t.ok(Number(books?.["overrun"]) >= Number(books?.["used"]) - LIMIT, "the overrun is what is above the limit");
      t.ok(Number(books?.["used"]) >= reported, "what was reported, or reserved where nothing usable was, is charged");

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
