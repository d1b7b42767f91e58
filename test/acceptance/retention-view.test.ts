/** What people see of retention: what is kept, why, when it goes; and bills whose ledger has gone in part. */
import t from "tap";
import { runCli } from "../cli/run-cli.ts";
import { openTestDatabase } from "../storage/test-database.ts";
import { maintainer, startAll, step } from "./retention-scene.ts";

const KEY = "acceptance-test-admin-key-0123456789";

t.test(
  "stepgate retention show says how much is kept, why, and when it goes; bills are compared as far as the ledger is whole",
  async (t) => {
    const database = await openTestDatabase(t);
    const rig = await startAll(t, database);
    const { home } = rig.stepgate.rooms.config.instance;
    const url = rig.stepgate.gateway?.url ?? "";
    const cli = (...args: readonly string[]) =>
      runCli([...args, "--url", url], { STEPGATE_HOME: home, STEPGATE_ADMIN_KEY: KEY });
    t.match((await cli("retention", "show")).out, "no run is kept");
    await rig.ended(await rig.submit({ steps: [step("a")] }));
    await rig.ended(await rig.submit({ steps: [step("a", { slug: "law" })] }));
    const paused = await rig.submit({ steps: [step("a")], debug: { breakpoints: [{ target: "step", value: "a" }] } });
    await rig.until(paused, (_, run) => run.status === "paused_at_step");
    const { out } = await cli("retention", "show", "--json");
    const view = JSON.parse(out);
    t.match(view, {
      is_on: false,
      retention_days: 30,
      retired: { runs: 0 },
      windows: [{ name: "first", runs: 3, due: 0, unfinished: 1, linked: 0, unsealed: 0, retained: 1 }],
    });
    const [window] = view.windows;
    const daysOff = (time: string) => Math.round((Date.parse(time) - Date.now()) / 86_400_000);
    t.ok([37, 38].includes(daysOff(window.first_due_at)), "30 days after the end of its window");
    t.equal(daysOff(window.last_due_at), 400, "as the obligation asks");
    const shown = (await cli("retention", "show")).out;
    t.match(shown, "nothing goes: STEPGATE_RETENTION is off");
    t.match(shown, /until \d{4}-\d\d-\d\d +3 +0 +1 unfinished, 1 by obligation +\d{4}-\d\d-\d\d to/);
    await maintainer(database.pool)(60);
    const after = JSON.parse((await cli("retention", "show", "--json")).out);
    t.match(after, { retired: { runs: 1, last_at: /^\d{4}-/ }, windows: [{ runs: 2, unfinished: 1 }] });
    t.notOk("name" in after.windows[0], "outside every window");
    t.match((await cli("retention", "show")).out, /older, kept +2 +0 +1 unfinished, 1 by obligation/);
    const billing = await cli("billing", "recompute", "--json");
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);
    t.match(JSON.parse(billing.out), { is_equal: true, ledger_from: tomorrow, days: [] }, "no day is called wrong");
    t.match((await cli("billing", "recompute")).out, "are not compared");
  },
);
