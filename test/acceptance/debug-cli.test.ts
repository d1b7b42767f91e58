/**
 * What died, and where to stop before it does again, from the command line (spec 02, queue operations and debugging).
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import type { JsonObject } from "../../src/core/json.ts";
import type { ExecutorResult } from "../../src/executors/contract.ts";
import { runCli } from "../cli/run-cli.ts";
import { openTestDatabase } from "../storage/test-database.ts";
import { ADMIN_KEY } from "./live-api.ts";
import { allow, done, failure, makeSink, startRig } from "./rig.ts";

async function startDesk(t: Test, settings: JsonObject = {}) {
  let answer: (step: string) => ExecutorResult = () => done(null);
  const rig = await startRig(t, {
    database: await openTestDatabase(t),
    packs: { runtime: allow },
    adapters: [makeSink(({ stepId }) => answer(stepId)).adapter],
    tenant: { runtime_pack: "runtime", required_guardrails: [], ...settings },
  });
  const folder = await mkdtemp(join(tmpdir(), "stepgate-cli-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "key"), ADMIN_KEY);
  const target = ["--url", rig.stepgate.gateway?.url ?? "", "--key-file", join(folder, "key")];
  const cli = (...args: readonly string[]) => runCli([...args, ...target], { STEPGATE_HOME: folder });
  return {
    rig,
    cli,
    /** As it stands behind the commands that are told to be typed next. */
    there: target.join(" "),
    play: (next: typeof answer) => {
      answer = next;
    },
  };
}

const step = (id: string, execution = {}) => ({ id, type: "sink", inputs: {}, execution });

t.test("one dead letter is shown: what was attempted, why it died, what to do next", async (t) => {
  const { rig, cli, play, there } = await startDesk(t);
  play((id) => (id === "ends" ? done(null) : failure()));
  const execution = { max_attempts: 2, retry_backoff_ms: 1 };
  const runUid = await rig.submit({
    id: "nightly",
    steps: [step("ends"), step("breaks", { ...execution, compensation: { step: "undo" } }), step("undo")],
  });
  t.equal((await rig.ended(runUid)).status, "failed");
  const shown = await cli("dead-letter", "show", runUid, "breaks");
  t.equal(shown.code, 0);
  t.equal(shown.err, "");
  const [head, died, ...rest] = shown.out.trimEnd().split("\n");
  t.equal(head, `step breaks of run ${runUid} (nightly) · sink`);
  t.match(died, /^ {2}died {6}execution_error, boom · after attempt 2 · 20\S+Z$/);
  t.match(rest, [
    /^ {2}attempt 1 {2}retry_scheduled {2}execution_error, boom +3 tokens {2}\$0\.000007 {2}20\S+Z$/,
    /^ {2}attempt 2 {2}failed {11}execution_error, boom +3 tokens {2}\$0\.000007 {2}20\S+Z$/,
    `  next      npx stepgate run get ${runUid} --why breaks ${there}`,
    `  next      npx stepgate dead-letter redrive ${runUid} breaks --watch ${there}, with --inputs <file> if they were at fault`,
  ]);
  t.equal(rest.length, 4);
  const why = await cli("run", "get", runUid, "--why", "breaks");
  t.match(
    why.out,
    /^ {2}ended {5}attempt 1: retry_scheduled, execution_error, boom$/m,
    "each attempt says how it ended",
  );
  t.match(why.out, /^ {2}ended {5}attempt 2: failed, execution_error, boom$/m);
  const undo = await cli("dead-letter", "show", "nightly", "undo");
  t.match(undo.out, /next {6}it was to undo another step: look whether that effect is still there/);
  const json = JSON.parse((await cli("dead-letter", "show", "nightly", "breaks", "--json")).out);
  t.match(json, {
    run_uid: runUid,
    error_kind: "execution_error",
    attempt: 2,
    attempts: [
      { attempt: 1, status: "retry_scheduled", error_kind: "execution_error", code: "boom", tokens: 3, usd_micros: 7 },
      { attempt: 2, status: "failed", record_id: /^[0-9a-f]{64}$/ },
    ],
  });
  for (const [run, id] of [
    ["nightly", "ends"],
    ["nightly", "none"],
    ["none", "breaks"],
  ] as const)
    t.match(await cli("dead-letter", "show", run, id), {
      code: 1,
      out: "",
      err: new RegExp(`\\(/v1/dead-letters/${run}/${id}\\)[\\s\\S]*\\[NOT_FOUND\\]`),
    });

  const list = await cli("run", "list");
  t.match(list.out, new RegExp(`^RUN +NAME +STATUS .*\\n${runUid} +nightly +failed +20\\S+Z +20\\S+Z +20\\S+Z\\n$`));
  t.match(JSON.parse((await cli("run", "list", "--status", "failed", "--json")).out), { items: [{ run_uid: runUid }] });
  t.equal((await cli("run", "list", "--status", "running")).out, "no run is running\n");
  t.match(await cli("run", "list", "--status", "stuck"), { code: 64, out: "", err: /Allowed choices are pending, / });

  play(() => done(null));
  const redriven = await cli("dead-letter", "redrive", runUid, "breaks", "--json");
  const { run_uid: next } = JSON.parse(redriven.out) as { readonly run_uid: string };
  t.match(
    (await cli("dead-letter", "show", runUid, "breaks")).out,
    `it was redriven: npx stepgate run watch ${next} ${there}`,
  );
});

t.test("breakpoints are listed, set and cleared, and a run that stands at one goes on", async (t) => {
  const { rig, cli } = await startDesk(t);
  const runUid = await rig.submit({
    steps: [step("a"), step("b"), step("c")],
    edges: [
      ["a", "b"],
      ["b", "c"],
    ],
    debug: { breakpoints: [{ target: "step", value: "a" }] },
  });
  await rig.until(runUid, (_, run) => run.status === "paused_at_step");
  const stands = (id: string) =>
    new RegExp(`^the run stands before step ${id} since 20\\S+Z: npx stepgate breakpoint continue ${runUid}$`, "m");
  t.match(await cli("breakpoint", "list", runUid), { code: 0, out: /^no breakpoint is set\n/, err: "" });
  t.match((await cli("breakpoint", "list", runUid)).out, stands("a"));
  t.match((await cli("breakpoint", "set", runUid, "step", "b")).out, /^TARGET {2}VALUE\nstep {4}b\n/);
  t.match((await cli("breakpoint", "set", runUid, "type", "sink")).out, /^step {4}b\ntype {4}sink\n/m);
  t.match(
    (await cli("breakpoint", "clear", runUid, "type", "sink")).out,
    /^TARGET {2}VALUE\nstep {4}b\nthe run stands/,
  );
  t.same(JSON.parse((await cli("breakpoint", "list", runUid, "--json")).out), {
    items: [{ target: "step", value: "b" }],
  });
  t.match(await cli("breakpoint", "continue", runUid), { code: 0, out: /^run \S+ · (?:pending|running)\n$/ });
  await rig.until(runUid, (_, run) => run.status === "paused_at_step" && run.pause?.stepId === "b");
  t.match((await cli("breakpoint", "list", runUid)).out, stands("b"), "it stopped once, and the breakpoint is gone");
  t.match(await cli("breakpoint", "set", runUid, "slug", "nobody"), { code: 0, out: /^slug {4}nobody$/m });
  t.equal((await cli("breakpoint", "continue", runUid)).code, 0);
  t.equal((await rig.ended(runUid)).status, "succeeded");
  const refusals = [
    { args: ["set", runUid, "name", "b"], code: 64, err: /Allowed choices are step, slug, type/ },
    { args: ["set", runUid, "step"], code: 64, err: /missing required argument 'value'/ },
    { args: ["set", runUid, "step", "b"], code: 1, err: /\[STATE_CONFLICT\]/ },
    { args: ["continue", runUid], code: 1, err: /\[STATE_CONFLICT\]/ },
    { args: ["list", "none"], code: 1, err: /\[NOT_FOUND\]/ },
  ];
  for (const { args, code, err } of refusals) {
    t.match(await cli("breakpoint", ...args), { code, out: "", err }, args.join(" "));
  }
});

t.test("a step and a run that a quota refuses are told which one, what is left of it and when it resets", async (t) => {
  const { rig, cli, play } = await startDesk(t, {
    quotas: [
      { id: "daily", unit: "tokens", window: "day", limit: 100 },
      { id: "runs", unit: "runs", window: "day", limit: 2 },
    ],
  });
  play(() => done(null, { tokens: 60, usdMicros: 0 }));
  const asking = { execution: { cost_hint: { tokens: 100 } } };
  const taken = await rig.submit({ steps: [{ ...step("takes"), ...asking }] });
  t.equal((await rig.ended(taken)).status, "succeeded");
  const refused = await rig.submit({ steps: [{ ...step("asks"), ...asking }] });
  t.equal((await rig.ended(refused)).status, "failed");
  const midnight = "20\\d\\d-\\d\\d-\\d\\dT00:00:00\\.000Z";
  const limit = new RegExp(`asks for 100 tokens, 40 of 100 are left in quota daily, which resets ${midnight}`);
  const why = await cli("run", "get", refused, "--why", "asks");
  t.match(why.out, /^step asks of run \S+: failed, quota_exceeded, before anything ran\n {2}limit {5}asks for/);
  t.match(why.out, limit);
  t.match(JSON.parse((await cli("run", "get", refused, "--why", "asks", "--json")).out), {
    limit: { quota: "daily", limit: 100, requested: 100, resets_at_ms: Number },
  });
  t.match((await cli("run", "watch", refused)).out, limit);
  const submitted = await cli("run", "submit", "policies/examples/hello.json");
  t.match(submitted, { code: 1, out: "", err: /quota runs/ });
  t.match(submitted.err, new RegExp(`resets at ${midnight}\\)\\n {2}wait until it resets`));
  t.notMatch(submitted.err, /sqlState/);
});
