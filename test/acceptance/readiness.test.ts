/**
 * What a process says of itself: checks of the parts it has, none of parts it has not.
 */
import t, { type Test } from "tap";
import { openTestDatabase } from "../storage/test-database.ts";
import { allow, done, makeSink, startRig } from "./rig.ts";

async function readinessOf(t: Test, role: string): Promise<unknown> {
  const database = await openTestDatabase(t);
  const rig = await startRig(t, {
    database,
    packs: { runtime: allow },
    adapters: [makeSink(() => done(null)).adapter],
    tenant: { runtime_pack: "runtime", required_guardrails: [] },
    env: { STEPGATE_ROLE: role },
  });
  for (;;) {
    const answer = await fetch(`${rig.stepgate.gateway?.url ?? ""}/readyz`);
    // the first claim may be under way still
    if (answer.ok) return answer.json();
  }
}

t.test("a process without a worker says nothing about one", async (t) => {
  t.same(await readinessOf(t, "gateway"), {
    ready: true,
    checks: [
      { name: "database", ok: true },
      { name: "fences", ok: true },
      { name: "room", ok: true },
    ],
  });
});

t.test("a process with a worker says whether it claims", async (t) => {
  t.same(await readinessOf(t, "all"), {
    ready: true,
    checks: [
      { name: "database", ok: true },
      { name: "fences", ok: true },
      { name: "room", ok: true },
      { name: "worker", ok: true },
    ],
  });
});
