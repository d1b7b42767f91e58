/**
 * Inputs against the schema of their executor (spec 09 E2).
 */
import t from "tap";
import type { ExecutorAdapter } from "../../src/executors/contract.ts";
import { forEachDatabase } from "../storage/test-database.ts";
import { makeSink, startRig } from "./rig.ts";

const tenant = { runtime_pack: "runtime", required_guardrails: [] };

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
