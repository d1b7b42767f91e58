/**
 * The pipeline end to end on both servers: what one step and a small run go through (spec 01, acceptance cases).
 */
import t from "tap";
import { forEachDatabase } from "../storage/test-database.ts";
import { allow, startRig } from "./rig.ts";

t.test("A10 two real programs: the second prints what the first printed, by $from", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const rig = await startRig(t, {
      database,
      packs: { open: allow },
      tenant: { runtime_pack: "open", required_guardrails: ["open"] },
    });
    const nonce = `nonce-${Math.random()}`;
    const echo = (id: string, text: string | { readonly $from: string; readonly pointer: string }) => ({
      id,
      type: "process",
      inputs: { command: ["echo", "-n", text] },
    });
    const runUid = await rig.submit({
      steps: [echo("first", nonce), echo("second", { $from: "first", pointer: "/stdout" })],
      edges: [["first", "second"]],
    });
    const run = await rig.ended(runUid);
    t.equal(run.status, "succeeded");
    const steps = [...(await rig.steps(runUid)).values()];
    t.match(
      steps.map((step) => [step.stepId, step.state, step.attemptsMade]),
      [
        ["first", "succeeded", 1],
        ["second", "succeeded", 1],
      ],
    );
    const { store, vaults } = rig.stepgate.rooms;
    const vault = await vaults.of(rig.tenantUid);
    for (const { stepId, outputBlob } of steps) {
      const blob = outputBlob === undefined ? undefined : await store.readBlob(rig.tenantUid, outputBlob);
      t.match(blob && JSON.parse(vault.open(blob, blob)), { value: { stdout: nonce, exit_code: 0 } }, stepId);
    }
  });
});
