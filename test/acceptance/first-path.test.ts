/**
 * The pipeline end to end on both servers: what one step and a small run go through (spec 01, acceptance cases).
 */
import t from "tap";
import { forEachDatabase } from "../storage/test-database.ts";
import { allow, done, makeSink, startRig } from "./rig.ts";

const OPEN = { runtime_pack: "open", required_guardrails: ["open"] };

t.test("A10 a chain of two steps: the second takes the first's output by $from", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink(({ spec }) => done({ seen: spec.inputs["text"] ?? null }));
    const rig = await startRig(t, { database, packs: { open: allow }, adapters: [sink.adapter], tenant: OPEN });
    const nonce = `nonce-${Math.random()}`;
    const runUid = await rig.submit({
      steps: [
        { id: "first", type: "noop", inputs: { result: { text: nonce } } },
        { id: "second", type: "sink", inputs: { text: { $from: "first", pointer: "/text" } } },
      ],
      edges: [["first", "second"]],
    });
    const run = await rig.ended(runUid);
    t.equal(run.status, "succeeded");
    t.equal(sink.calls[0]?.spec.inputs["text"], nonce);
    const steps = await rig.steps(runUid);
    t.match(
      [...steps.values()].map((step) => [step.state, step.attemptsMade]),
      [
        ["succeeded", 1],
        ["succeeded", 1],
      ],
    );
  });
});
