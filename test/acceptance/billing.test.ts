/** Bills, budgets and quotas over the API and from the terminal, held against the rows they are made of (spec 03). */
import t from "tap";
import { runCli } from "../cli/run-cli.ts";
import { forEachDatabase } from "../storage/test-database.ts";
import { done, makeSink, startRig } from "./rig.ts";

const KEY = "acceptance-test-admin-key-0123456789";
const tenant = {
  runtime_pack: "runtime",
  required_guardrails: [],
  quotas: [{ id: "daily", unit: "tokens", window: "day", limit: 100 }],
};

t.test("B8 the bill of a day is the sum of its attempts, and a difference is found", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink(({ stepId, attempt }) =>
      stepId === "retried" && attempt === 1
        ? {
            ...{ ok: false, kind: "execution_error", retryable: true, code: "no", message: "no", toolEvents: [] },
            usage: { tokens: 3, usdMicros: 30 },
          }
        : done(null, { tokens: 4, usdMicros: 40 }),
    );
    const rig = await startRig(t, {
      database,
      packs: { runtime: ({ step }) => ({ effect: (step as { id: string }).id === "denied" ? "deny" : "allow" }) },
      adapters: [sink.adapter],
      tenant,
    });
    const execution = { cost_hint: { tokens: 10, usd_micros: 100 }, max_attempts: 2, retry_backoff_ms: 1 };
    const steps = ["plain", "retried", "denied"].map((id) => ({ id, type: "sink", inputs: {}, execution }));
    await rig.ended(await rig.submit({ steps }));
    const { home } = rig.stepgate.rooms.config.instance;
    const url = rig.stepgate.gateway?.url ?? "";
    const cli = (...args: readonly string[]) =>
      runCli([...args, "--url", url], { STEPGATE_HOME: home, STEPGATE_ADMIN_KEY: KEY });
    const recompute = async (...args: readonly string[]) => {
      const { code, out, err } = await cli("billing", "recompute", "--json", ...args);
      t.equal(err, "", "nothing is said beside it");
      return { code, billing: JSON.parse(out) };
    };
    const sum = { attempts: 3, tokens: 11, usd_micros: 110 };
    const equal = await recompute();
    t.match(equal, { code: 0, billing: { is_equal: true, days: [{ billed: sum, ledger: sum, is_equal: true }] } });
    t.match((await cli("billing", "recompute")).out, /11 +110 +equal/);
    t.match(await recompute("--from", "2020-01-01", "--to", "2020-12-31"), { code: 0, billing: { days: [] } });
    for (const wrong of [
      ["--from", "2020-02-30"],
      ["--from", "2019-01-01", "--to", "2021-01-01"],
    ])
      t.equal((await cli("billing", "recompute", ...wrong)).code, 1, wrong.join(" "));

    t.match((await cli("budget", "show")).out, /quota daily +tokens a day +100 +11 +0 +89 +\d{4}-/);

    await rig.rows("update stepgate.billing_usage set tokens = tokens + 1");
    const differing = await recompute();
    t.match(differing, { code: 1, billing: { is_equal: false, days: [{ billed: { tokens: 12 }, ledger: sum }] } });
    t.match((await cli("billing", "recompute")).out, "differs: billed 3 attempts, 12 tokens, 110 micro-USD");
    await rig.rows("delete from stepgate.billing_usage");
    t.match(await recompute(), { code: 1, billing: { days: [{ billed: { attempts: 0 }, ledger: sum }] } });
  });
});
