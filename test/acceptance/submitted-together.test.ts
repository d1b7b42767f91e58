/**
 * Runs that arrive at once are stored in one call, and come out as if they had come one after the other.
 */
import t from "tap";
import { isStepgateError } from "../../src/core/errors.ts";
import type { RunUid, TenantUid } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { forEachDatabase } from "../storage/test-database.ts";
import { allow, startRig } from "./rig.ts";

const tenant = { runtime_pack: "runtime", required_guardrails: [] };
const step = (id: string) => ({ id, type: "noop", inputs: {} });

t.test("of runs with one id or key in one batch, the first is stored and the others find it", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const env = { STEPGATE_ROLE: "gateway" };
    const rig = await startRig(t, { database, packs: { runtime: allow }, tenant, env });
    const caller = { keyId: "k", owner: "o", roles: ["submitter"] } as const;
    const submit = async (submission: JsonObject, idempotencyKey?: string) => {
      try {
        const { runUid, isNew } = await rig.stepgate.rooms.submitRun({
          tenantUid: rig.tenantUid,
          caller,
          submission: rig.stepgate.rooms.readRunSubmission(submission),
          idempotencyKey,
          trace: undefined,
        });
        return { runUid: String(runUid), isNew, code: undefined };
      } catch (caught) {
        return { runUid: undefined, isNew: false, code: isStepgateError(caught) ? caught.code : String(caught) };
      }
    };
    // a batch is under way while all of these arrive, in whatever order
    const [, same, ids, keys, plain] = await Promise.all([
      submit({ steps: [step("a")] }),
      Promise.all([1, 2, 3].map(() => submit({ id: "one", steps: [step("a")] }, "key-1"))),
      Promise.all(["a", "b"].map((id) => submit({ id: "two", steps: [step(id)] }))),
      Promise.all(["a", "b"].map((id) => submit({ steps: [step(id)] }, "key-2"))),
      submit({ steps: [step("a"), step("b"), step("c")], run_config: { max_parallel: 2 } }),
    ]);
    const stored = (outcomes: readonly object[]) => outcomes.filter((outcome) => "isNew" in outcome && outcome.isNew);
    t.equal(stored(same).length, 1, "the same start is stored once");
    t.equal(new Set(same.map(({ runUid }) => runUid)).size, 1, "and is one run for all");
    t.equal(stored(ids).length, 1);
    t.match(
      ids.map(({ code }) => code).filter((code) => code !== undefined),
      ["INPUT_MISMATCH"],
      "an id with another start",
    );
    t.equal(stored(keys).length, 1);
    t.match(
      keys.map(({ code }) => code).filter((code) => code !== undefined),
      ["IDEMPOTENCY_MISMATCH"],
      "a key with another start",
    );
    t.match(plain, { isNew: true });
    const [head] = await rig.rows(
      `select head_seq, open_steps, ready_rows, unplaced_steps, max_parallel from stepgate.run_heads where run_uid = $1`,
      [plain?.runUid ?? ""],
    );
    t.same(head, { head_seq: 1, open_steps: 3, ready_rows: 2, unplaced_steps: 1, max_parallel: 2 });
    const ready = await rig.rows(`select step_id from stepgate.ready_steps where run_uid = $1 order by 1`, [
      plain?.runUid ?? "",
    ]);
    t.same(ready, [{ step_id: "a" }, { step_id: "b" }], "in plan order, as many as may run at once");
    const [audits] = await rig.rows(`select count(*) from stepgate.audit_log where action = 'run.submit'`, []);
    t.same(audits, { count: 5 }, "one audit row for each stored run");

    // read together, their logs are what each is alone, of this tenant only
    const { store, ids: newIds } = rig.stepgate.rooms;
    const [first, second] = [same[0]?.runUid as string as RunUid, plain?.runUid as string as RunUid];
    await store.cancel(rig.tenantUid, second, "test");
    const alone = (runUid: RunUid) => store.events({ tenantUid: rig.tenantUid, runUid, afterSeq: 0, limit: 100 });
    const [firstLog, secondLog] = [await alone(first), await alone(second)];
    t.ok(secondLog.length > 1);
    const stranger = newIds.uuid() as RunUid;
    const together = (limit: number) => store.firstEvents(rig.tenantUid, [second, stranger, first], limit);
    t.same(await together(100), new Map([firstLog, secondLog].map((log, n) => [n === 0 ? first : second, log])));
    t.same(
      await together(1),
      new Map([firstLog, secondLog].map((log, n) => [n === 0 ? first : second, log.slice(0, 1)])),
    );
    t.same(await store.firstEvents(newIds.uuid() as TenantUid, [first], 100), new Map());
  });
});
