/**
 * The connection breaks at an admission or a settlement: whether it was committed is read back by the ids of its records,
 * and either way the executor is called once and its result settled once (spec 01).
 */
import t from "tap";
import { isJsonObject, type JsonValue } from "../../src/core/json.ts";
import { parseJson } from "../../src/core/parse-json.ts";
import { verifies } from "../acceptance/evidence-of.ts";
import { allow, done, makeSink, startRig } from "../acceptance/rig.ts";
import { forEachDatabase } from "../storage/test-database.ts";
import { cutAt, type Moment } from "./cut-connection.ts";

const MOMENTS: readonly Moment[] = ["after the commit", "before the server has it"];
const STEPS = ["a", "b", "c"];

for (const statement of ["admit_steps", "settle_steps"]) {
  for (const moment of MOMENTS) {
    t.test(`a step is performed and settled once though ${statement} was cut off ${moment}`, async (t) => {
      await forEachDatabase(t, async (t, database) => {
        const cutter = await cutAt(t, database.target, `stepgate.${statement}(`, moment);
        const sink = makeSink(() => done({ made: true }, { tokens: 5, usdMicros: 7 }));
        const outcomes: JsonValue[] = [];
        const rig = await startRig(t, {
          onLogLine: (line) => {
            const said = parseJson(Buffer.from(line));
            if (isJsonObject(said) && said["msg"] === "step settled") outcomes.push(said["outcome"] ?? null);
          },
          database: { ...database, target: cutter.target },
          packs: { runtime: allow },
          adapters: [sink.adapter],
          tenant: { runtime_pack: "runtime", required_guardrails: [] },
        });
        const runUid = await rig.submit({
          steps: STEPS.map((id) => ({ id, type: "sink", inputs: {}, execution: { cost_hint: { tokens: 10 } } })),
          budget: { tokens: 100 },
        });
        const run = await rig.ended(runUid);
        t.ok(cutter.isCut(), "the connection was cut");
        await rig.until(runUid, () => outcomes.length >= STEPS.length);
        t.same(outcomes, ["succeeded", "succeeded", "succeeded"], "the worker knows what became of each");
        t.equal(run.status, "succeeded");
        t.same(sink.calls.map(({ stepId, attempt }) => `${stepId} ${attempt}`).sort(), ["a 1", "b 1", "c 1"]);
        const events = await rig.events(runUid);
        for (const type of ["step_started", "step_succeeded"])
          t.same(
            events
              .filter((event) => event.type === type)
              .map(({ stepId }) => stepId as string)
              .sort(),
            STEPS,
            type,
          );
        t.same(
          await rig.rows(
            "select step_id, kind, actual_tokens from stepgate.cost_ledger where run_uid = $1 order by step_id",
            [runUid],
          ),
          STEPS.map((step_id) => ({ step_id, kind: "succeeded", actual_tokens: 5 })),
        );
        t.match(run.budget, { tokens: { used: 15, reserved: 0 } });
        t.same(
          await rig.rows(
            "select kind, count(*)::integer as records from stepgate.records where run_uid = $1 and kind in ('admission', 'outcome') group by kind order by kind",
            [runUid],
          ),
          [
            { kind: "admission", records: 3 },
            { kind: "outcome", records: 3 },
          ],
        );
        await verifies(t, rig, runUid);
      });
    });
  }
}
