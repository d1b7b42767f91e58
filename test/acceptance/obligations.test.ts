/**
 * Obligations (spec 04, decision): known ones take effect, on the token, on the output or on record; none is dropped.
 */
import t from "tap";
import type { Obligation } from "../../src/core/decision.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { localSettings, startServer } from "../executors/http/local-server.ts";
import { forEachDatabase } from "../storage/test-database.ts";
import { type Decide, done, makeSink, startRig } from "./rig.ts";
import { sinkApi } from "./sink-desk.ts";

/** Obliges as the step's inputs say, before the effect only. */
const oblige: Decide = ({ boundary, inputs }) => ({
  effect: "allow",
  obligations: boundary === "scheduler" ? ((inputs as JsonObject)["oblige"] as never) : [],
});

t.test(
  "A18 and its kin: limits and hosts narrow the token, masks hide, notices and retention are on record",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const sink = makeSink(() => done({ secret: "s3cr3t", open: "kept" }));
      const rig = await startRig(t, {
        database,
        packs: { runtime: oblige },
        adapters: [sink.adapter],
        tenant: { runtime_pack: "runtime", required_guardrails: [], sink_hosts: ["hooks.example"] },
      });
      await sinkApi(rig).put("security", { url: "https://hooks.example/" }, { is_paused: true });
      const { store, vaults, tenants } = rig.stepgate.rooms;
      const [a, b] = await Promise.all([startServer(t), startServer(t)]);
      await tenants.putExecutorSettings({
        tenantUid: rig.tenantUid,
        type: "http",
        settings: localSettings([a.hostPort, b.hostPort]),
        actor: "test",
      });
      const run = async (type: string, inputs: JsonObject, obligations: readonly Obligation[]) => {
        const oblige = obligations.map(({ id, type: kind, properties }) => ({ id, type: kind, properties }));
        const runUid = await rig.submit({ steps: [{ id: "a", type, inputs: { ...inputs, oblige } }] });
        await rig.ended(runUid);
        return { runUid, row: (await rig.steps(runUid)).get("a") };
      };
      const opened = async (runUid: string, field: string) => {
        const rows = await rig.rows("select blob_id from stepgate.blobs where run_uid = $1", [runUid]);
        const blobs = await Promise.all(
          rows.map((row) => store.readBlob(rig.tenantUid, String(row["blob_id"]) as never)),
        );
        const blob = blobs.find((one) => one?.field === field);
        return blob && JSON.parse((await vaults.of(rig.tenantUid)).open(blob, blob));
      };

      await t.test("limit: the executor is given the lower one", async (t) => {
        await run("sink", {}, [{ id: "l", type: "limit", properties: { tokens: 7, wall_ms: 900, calls: 5 } }]);
        t.match(sink.calls.at(-1)?.limits, { tokens: 7, wall_ms: 900, calls: 1 });
      });
      await t.test("mask_output: what it names is not stored, the rest is", async (t) => {
        const mask: Obligation = {
          id: "m",
          type: "mask_output",
          properties: { paths: ["/output/result/secret", "/output/x"] },
        };
        const { runUid } = await run("sink", {}, [mask]);
        t.same((await opened(runUid, "output")).value, { secret: "[masked]", open: "kept" });
      });
      await t.test("notify and retain: sealed on record, with their ids in the clear", async (t) => {
        const told: readonly Obligation[] = [
          { id: "n", type: "notify", properties: { sink: "security" } },
          { id: "r", type: "retain", properties: { days: 30 } },
        ];
        const { runUid, row } = await run("sink", {}, told);
        t.match(row, { state: "succeeded" });
        t.same(await opened(runUid, "details"), [{ obligations: told, pack: "runtime" }]);
        const [evaluation] = (await store.stepEnd(rig.tenantUid, runUid as never))?.evaluations ?? [];
        t.match(evaluation, {
          obligations: [
            { id: "n", type: "notify" },
            { id: "r", type: "retain" },
          ],
        });
      });
      await t.test("require_approval without a hold denies", async (t) => {
        const calls = sink.calls.length;
        const { row } = await run("sink", {}, [{ id: "q", type: "require_approval", properties: {} }]);
        t.match(row, { errorKind: "policy_error", reasons: ["approval_without_hold"], attemptsMade: 0 });
        t.equal(sink.calls.length, calls);
      });
      await t.test("egress: host a is reached, host b sees no connection", async (t) => {
        const only: Obligation = { id: "e", type: "egress", properties: { hosts: [a.hostPort] } };
        const get = async (hostPort: string) => {
          const runUid = await rig.submit({
            steps: [{ id: "a", type: "http", inputs: { method: "GET", url: `http://${hostPort}/` } }],
          });
          await rig.ended(runUid);
          return (await rig.steps(runUid)).get("a");
        };
        const { packs } = rig.stepgate.rooms;
        const before = packs.get("runtime");
        if (before === undefined) throw new TypeError("the pack is not there");
        packs.set("runtime", {
          ...before,
          evaluate: () => ({
            ok: true,
            decision: { effect: "allow", reasons: [], patches: [], obligations: [only] },
            undeclared: [],
            durationUs: 1,
          }),
        });
        t.match(await get(b.hostPort), { errorKind: "capability_denied", reasons: ["egress"], attemptsMade: 0 });
        t.equal(b.connections(), 0);
        t.match(await get(a.hostPort), { state: "succeeded" });
        packs.set("runtime", before);
      });
    });
  },
);
