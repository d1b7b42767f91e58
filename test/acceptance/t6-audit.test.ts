/**
 * T6: whoever can write to the database edits or deletes one audit row, and the check names it.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { runCli } from "../cli/run-cli.ts";
import { forEachDatabase } from "../storage/test-database.ts";
import { allow, done, makeSink, startRig } from "./rig.ts";

/** Of row `seq`, so that its own hash fits what it says now. */
const REHASH = (seq: number) => `update stepgate.audit_log set hash = sha256('\\x00'::bytea || convert_to(format(
  '{"action":%s,"actor":%s,"at_ms":%s,"prev":"%s","resource":%s,"seq":%s}', to_json(action), to_json(actor),
  (extract(epoch from at) * 1000)::bigint, encode(prev_hash, 'hex'), resource, seq), 'UTF8')) where seq = ${seq}`;

const attacks = (last: number) => [
  {
    why: "another actor",
    sql: ["update stepgate.audit_log set actor = 'nobody' where seq = 2"],
    seq: 2,
    fault: "changed",
  },
  {
    why: "another resource",
    sql: [`update stepgate.audit_log set resource = '{}' where seq = 3`],
    seq: 3,
    fault: "changed",
  },
  {
    why: "another time",
    sql: ["update stepgate.audit_log set at = at + interval '1 ms' where seq = 2"],
    seq: 2,
    fault: "changed",
  },
  { why: "a row that is gone", sql: ["delete from stepgate.audit_log where seq = 2"], seq: 2, fault: "missing" },
  { why: "the first row gone", sql: ["delete from stepgate.audit_log where seq = 1"], seq: 1, fault: "missing" },
  {
    why: "a row that is gone, the others renumbered",
    sql: ["delete from stepgate.audit_log where seq = 2", "update stepgate.audit_log set seq = seq - 1 where seq > 2"],
    seq: 2,
    fault: "changed",
  },
  {
    why: "an edited row with its hash made anew",
    sql: ["update stepgate.audit_log set actor = 'nobody' where seq = 2", REHASH(2)],
    seq: 3,
    fault: "unlinked",
  },
  {
    why: "the last row gone",
    sql: ["delete from stepgate.audit_log where seq = (select max(seq) from stepgate.audit_log)"],
    seq: last,
    fault: "cut",
  },
  {
    why: "the last row edited with its hash made anew",
    sql: [
      "update stepgate.audit_log set actor = 'nobody' where seq = (select max(seq) from stepgate.audit_log)",
      REHASH(last),
    ],
    seq: last + 1,
    fault: "cut",
  },
];

t.test("T6 editing or deleting one audit row is found, and the check names it", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink(() => done(null));
    const rig = await startRig(t, {
      database,
      packs: { open: allow },
      adapters: [sink.adapter],
      tenant: { runtime_pack: "open", required_guardrails: [] },
    });
    await rig.ended(await rig.submit({ steps: [{ id: "a", type: "sink", inputs: {} }] }));
    const keyFile = join(t.testdir(), "key");
    await writeFile(keyFile, "acceptance-test-admin-key-0123456789", { mode: 0o600 });
    const verify = async () => {
      const target = ["--url", rig.stepgate.gateway?.url ?? "", "--key-file", keyFile, "--json"];
      const { code, out } = await runCli(["audit", "verify", ...target]);
      return { code, ...(JSON.parse(out.trim()) as object) };
    };
    const { tenants } = rig.stepgate.rooms;
    const put = { weight: 1, isPaused: false, quotas: [], settings: { runtime_pack: "open", required_guardrails: [] } };
    await tenants.put({ ...put, tenantUid: rig.tenantUid, tenantId: "default", actor: 'ä "quoted" \\ \u0001 \u2028' });
    const last = Number((await rig.rows("select max(seq) as last from stepgate.audit_log"))[0]?.["last"]);
    t.ok(last > 4, `${last} rows`);
    t.match(await verify(), { code: 0, ok: true, rows: last }, "the control: as it was written");
    await database.pool.query("create table public.saved as select * from stepgate.audit_log");
    await database.pool.query("alter table stepgate.audit_log disable trigger user");
    for (const { why, sql, seq, fault } of attacks(last)) {
      for (const each of sql) await database.pool.query(each);
      t.match(await verify(), { code: 1, ok: false, seq, fault }, why);
      await database.pool.query("delete from stepgate.audit_log");
      await database.pool.query("insert into stepgate.audit_log select * from public.saved");
    }
    t.match(await verify(), { code: 0, ok: true }, "the control: put back");
  });
});
