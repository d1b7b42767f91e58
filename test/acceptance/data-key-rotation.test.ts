/** A tenant's data key is rotated by another process: what that one seals is read here at once, and nothing else is. */
import t from "tap";
import { openTestDatabase } from "../storage/test-database.ts";
import { allow, done, makeSink, startRig } from "./rig.ts";
import { startWorker } from "./workers.ts";

const CARRIED = { id: "b", type: "sink", inputs: { from: { $from: "a", pointer: "/step" } } };

t.test(
  "a blob under a data key of a later rotation opens after one more look at the keys; an unknown key closes",
  async (t) => {
    const database = await openTestDatabase(t);
    const rig = await startRig(t, {
      database,
      packs: { runtime: allow },
      adapters: [makeSink(() => done(null)).adapter],
      tenant: { runtime_pack: "runtime", required_guardrails: [] },
      env: { STEPGATE_ROLE: "gateway" },
      onLogLine: () => undefined,
    });
    const submit = () =>
      rig.submit({
        steps: [{ id: "a", type: "sink", inputs: {} }, CARRIED],
        edges: [["a", "b"]],
        labels: { team: "x" },
      });
    const ask = async (path: string, step?: object) => {
      const answer = await fetch(`${rig.stepgate.gateway?.url}${path}`, {
        headers: { authorization: "Bearer acceptance-test-admin-key-0123456789", "content-type": "application/json" },
        ...(step === undefined ? {} : { method: "POST", body: JSON.stringify({ step }) }),
      });
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
    };
    const keyOf = async (runUid: string, field: string) =>
      (
        await rig.rows("select key_id from stepgate.blobs where run_uid = $1 and step_id = 'a' and field = $2", [
          runUid,
          field,
        ])
      )[0]?.["key_id"];
    const rotate = () =>
      rig.rows("update stepgate.keys set state = 'verify_only' where purpose = 'data' and state = 'active'");

    const definition = { executor: "sink", config: { by: "one" }, input_schema: { type: "object" } };
    const put = await fetch(`${rig.stepgate.gateway?.url}/v1/tools/t`, {
      method: "PUT",
      headers: { authorization: "Bearer acceptance-test-admin-key-0123456789", "content-type": "application/json" },
      body: JSON.stringify(definition),
    });
    t.equal(put.status, 201);
    const tool = async () => (await ask("/v1/tools/t")).body;
    const registered = await tool();

    // the gateway knows the first key, the early worker too, the late one makes the second
    const early = await startWorker(t, { rig, database });
    t.equal((await rig.ended(await submit())).status, "succeeded");
    await early.stop();
    await rotate();
    const late = await startWorker(t, { rig, database });
    const runUid = await submit();
    t.equal((await rig.ended(runUid)).status, "succeeded", "the new one opens what the old key sealed");
    t.not(await keyOf(runUid, "output"), await keyOf(runUid, "input"), "the control: two keys are in use");
    t.match(await ask("/v1/steps", { type: "sink", inputs: {} }), { status: 200, body: { output: { step: "step" } } });

    // the late worker knows two; a third is made by a third process, whose outputs it is to read
    await rotate();
    const third = await startWorker(t, { rig, database, env: { STEPGATE_MAX_CONCURRENT_STEPS: "1" } });
    const both = await Promise.all(Array.from({ length: 12 }, submit));
    for (const one of both)
      t.equal((await rig.ended(one)).status, "succeeded", "whoever takes the second step reads the first one's output");
    const called = await rig.submit({ steps: [{ id: "a", type: "tool", inputs: { tool: "t", arguments: {} } }] });
    t.equal((await rig.ended(called)).status, "succeeded", "a tool that was registered under the first key is used");
    t.same(await tool(), registered, "no data key stands between a registration and whoever reads it");
    await Promise.all([late.stop(), third.stop()]);

    await rig.rows(
      "update stepgate.blobs set key_id = gen_random_uuid()::text where run_uid = $1 and field = 'labels'",
      [runUid],
    );
    t.match(
      await ask(`/v1/runs/${runUid}`),
      { status: 500, body: { code: "BLOB_UNREADABLE" } },
      "an unknown key closes",
    );
  },
);
