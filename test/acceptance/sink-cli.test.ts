/**
 * Sinks from the command line: made, looked at, given a new secret, redriven, paused, removed.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import type { JsonObject } from "../../src/core/json.ts";
import { runCli } from "../cli/run-cli.ts";
import { openTestDatabase } from "../storage/test-database.ts";
import { ADMIN_KEY } from "./live-api.ts";
import { allow, done, makeSink, startRig } from "./rig.ts";
import { oneStep, QUICK, startReceiver, tenantFor, untilDelivered } from "./sink-desk.ts";

t.test("a sink is made, shown, redriven, paused and removed from the command line", async (t) => {
  let isRefusing = true;
  const receiver = await startReceiver(t, ({ seq }) => (isRefusing && seq === 2 ? 410 : 200));
  const rig = await startRig(t, {
    database: await openTestDatabase(t),
    packs: { runtime: allow },
    adapters: [makeSink(() => done(null)).adapter],
    tenant: tenantFor(receiver),
    env: QUICK,
  });
  const folder = await mkdtemp(join(tmpdir(), "stepgate-cli-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "key"), ADMIN_KEY);
  const target = ["--url", rig.stepgate.gateway?.url ?? "", "--key-file", join(folder, "key")];
  const cli = (...args: readonly string[]) => runCli(["sink", ...args, ...target], { STEPGATE_HOME: folder });

  t.match(await cli("list"), { code: 0, out: "no sink is set\n" });
  t.match(await cli("put", "alerts", "https://other.example/"), { code: 1, err: /\[SINK_HOST_NOT_APPROVED\]/ });
  const put = await cli("put", "alerts", receiver.url);
  t.match(put, { code: 0, out: /^sink alerts · on · version 1 · http:\S+\nwhsec_[A-Za-z0-9+/]{43}=\n$/ });
  const runUid = await rig.submit(oneStep);
  await rig.ended(runUid);
  const last = (await rig.events(runUid)).length;
  await receiver.until("the rest of the run", (one) => one.acknowledged.some(({ seq }) => seq === last));
  await untilDelivered(rig, [runUid]);
  const shown = await cli("show", "alerts");
  t.match(shown.out, /^sink alerts · on · version 1 · /);
  t.match(shown.out, new RegExp(`^${runUid} +2 run_started +dead +1 +status_410 +since 20\\S+Z$`, "m"));
  t.match(shown.err, /npx stepgate sink redrive alerts /);
  t.match((await cli("list")).out, /^alerts +on +0 +1 +all +http:/m);

  isRefusing = false;
  t.match(await cli("redrive", "alerts", "--run", runUid), { code: 0, out: "dead letters that are sent again: 1\n" });
  const letters = async () => (JSON.parse((await cli("show", "alerts", "--json")).out) as JsonObject)["dead_letters"];
  while (String(await letters()) !== "")
    await receiver.until("the letter", ({ acknowledged }) => acknowledged.length >= last);
  t.match(await cli("show", "alerts"), { out: /it has had everything\n$/ });
  t.match(await cli("redrive", "alerts"), { code: 0, out: "no dead letter rests\n" });

  t.match((await cli("secret", "alerts")).out, /^the secret before signs too until 20\S+Z\nwhsec_\S+\n$/);
  const paused = await cli("put", "alerts", receiver.url, "--paused", "--event", "run_failed");
  t.match(paused.out, /^sink alerts · paused · version 3 · http:\S+\n$/);
  t.match((await cli("list")).out, /^alerts +paused +0 +0 +run_failed +http:/m);
  await cli("put", "alerts", receiver.url);
  t.match((await cli("list")).out, /^alerts +paused +0 +0 +run_failed +http:/m, "what is not said stays");
  await cli("put", "alerts", receiver.url, "--no-paused", "--event", "all");
  t.match((await cli("list")).out, /^alerts +on +0 +0 +all +http:/m);
  t.match(await cli("remove", "alerts"), { code: 0, out: "sink alerts is removed\n" });
  t.match(await cli("show", "alerts"), { code: 1, err: /\[NOT_FOUND\]/ });
});
