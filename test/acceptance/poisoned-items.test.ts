/**
 * One item of a batch that the database refuses: the others of it go through, and it alone ends as it must (spec 01, settle;
 * spec 00, failures of our own).
 */
import t from "tap";
import type { ExecutorResult } from "../../src/executors/contract.ts";
import { openTestDatabase } from "../storage/test-database.ts";
import { verifies } from "./evidence-of.ts";
import { allow, done, makeSink, type Rig, startRig } from "./rig.ts";

const STEPS = 64;
let rig: Rig;
/** Steps that hang until all that can start have. */
let hanging: (() => void)[] = [];
let expected = STEPS;
const sink = makeSink(
  () =>
    new Promise<ExecutorResult>((resolve) => {
      hanging.push(() => resolve(done({ text: "x" }, { tokens: 1, usdMicros: 0 })));
      if (hanging.length < expected) return;
      for (const end of hanging.splice(0)) end();
    }),
);

t.before(async () => {
  rig = await startRig(t, {
    database: await openTestDatabase(t),
    packs: { runtime: allow },
    adapters: [sink.adapter],
    tenant: { runtime_pack: "runtime", required_guardrails: [] },
  });
});

/** Has the database refuse rows of the step `s7`, and answers how to make it stop. */
async function poison(table: string, which: string): Promise<() => Promise<unknown>> {
  await rig.rows(`create function stepgate.poison_${table}() returns trigger language plpgsql as $$ begin
    if new.step_id = 's7' and ${which} then raise exception 'poisoned'; end if; return new; end $$`);
  await rig.rows(`create trigger poison before insert on stepgate.${table} for each row
    execute function stepgate.poison_${table}()`);
  return () => rig.rows(`drop trigger poison on stepgate.${table}`);
}

const submit = () =>
  rig.submit({ steps: Array.from({ length: STEPS }, (_, index) => ({ id: `s${index}`, type: "sink", inputs: {} })) });

t.test("a settlement that cannot be stored among 63 others: they settle, it ends without its result", async (t) => {
  const heal = await poison("blobs", "new.field = 'output'");
  const runUid = await submit();
  t.equal((await rig.ended(runUid)).status, "failed");
  await heal();
  const steps = [...(await rig.steps(runUid)).values()];
  t.equal(sink.calls.length, STEPS, "each was performed once");
  t.equal(steps.filter(({ state, attemptsMade }) => state === "succeeded" && attemptsMade === 1).length, STEPS - 1);
  t.match(
    steps.find(({ stepId }) => stepId === "s7"),
    { state: "failed", errorKind: "result_not_storable", attemptsMade: 1, tokens: 1 },
  );
  await verifies(t, rig, runUid);
});

t.test("an admission that cannot be stored among 63 others: they run, it is taken again until it can", async (t) => {
  const heal = await poison("records", "new.kind = 'admission'");
  hanging = [];
  expected = STEPS - 1;
  const before = sink.calls.length;
  const runUid = await submit();
  await rig.until(
    runUid,
    (steps) => [...steps.values()].filter(({ state }) => state === "succeeded").length === STEPS - 1,
  );
  const waiting = (await rig.steps(runUid)).get("s7");
  t.match(waiting, { attemptsMade: 0, errorKind: undefined, recordIds: [] }, "a failure of our own is no end");
  t.equal(sink.calls.length, before + STEPS - 1);
  expected = 1;
  await heal();
  t.equal((await rig.ended(runUid)).status, "succeeded");
  t.match((await rig.steps(runUid)).get("s7"), { state: "succeeded", attemptsMade: 1 });
});
