/**
 * What one step goes through (spec 01, acceptance cases A1 to A8, A12, A15), with sinks that must stay untouched or not.
 */
import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { isJsonObject, type JsonObject } from "../../src/core/json.ts";
import type { ExecutorResult } from "../../src/executors/contract.ts";
import { forEachDatabase } from "../storage/test-database.ts";
import { verifies } from "./evidence-of.ts";
import { allow, type Decide, done, failure, makeSink, type Rig, startRig } from "./rig.ts";

const tenant = { runtime_pack: "runtime", required_guardrails: [] };
const deny: Decide = () => ({ effect: "deny", reasons: ["nothing_allowed"] });
async function eventOf(rig: Rig, runUid: Parameters<Rig["events"]>[0], type: string): Promise<JsonObject> {
  return (await rig.events(runUid)).find((event) => event.type === type)?.data ?? {};
}
/** What the audit log says of one action, oldest first. */
async function auditsOf(rig: Rig, action: string): Promise<readonly JsonObject[]> {
  const rows = await rig.rows("select resource from stepgate.audit_log where action = $1 order by seq", [action]);
  return rows.map(({ resource }) => JSON.parse(String(resource)) as JsonObject);
}

t.test("A1 a denied step touches nothing, is charged nothing and says why on step and event", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const folder = await mkdtemp(join(tmpdir(), "stepgate-a1-"));
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    const file = join(folder, "sink");
    await writeFile(file, "");
    const sink = makeSink(async ({ stepId }) => {
      await appendFile(file, `${stepId}\n`);
      return done(null);
    });
    const runtime: Decide = (input) => (isJsonObject(input["inputs"]) && input["inputs"]["may"] ? allow : deny)(input);
    const rig = await startRig(t, { database, packs: { runtime }, adapters: [sink.adapter], tenant });
    const control = await rig.submit({ steps: [{ id: "control", type: "sink", inputs: { may: true } }] });
    t.equal((await rig.ended(control)).status, "succeeded");
    const runUid = await rig.submit({ steps: [{ id: "a", type: "sink", inputs: {} }], budget: { tokens: 100 } });
    t.equal((await rig.ended(runUid)).status, "failed");
    t.equal(await readFile(file, "utf8"), "control\n", "the sink is untouched, and was touched where nothing denied");
    t.match((await rig.steps(runUid)).get("a"), {
      state: "failed",
      attemptsMade: 0,
      errorKind: "policy_denied",
      reasons: ["nothing_allowed"],
    });
    t.match(await eventOf(rig, runUid, "step_refused"), {
      error_kind: "policy_denied",
      stage: "decide",
      reasons: ["nothing_allowed"],
    });
    t.match(
      await rig.rows("select kind, actual_tokens, reserved_tokens from stepgate.cost_ledger where run_uid = $1", [
        runUid,
      ]),
      [{ kind: "refused", actual_tokens: 0, reserved_tokens: 0 }],
    );
    t.match(
      (await rig.rows("select tokens_used, tokens_reserved from stepgate.budgets where run_uid = $1", [runUid]))[0],
      { tokens_used: 0, tokens_reserved: 0 },
    );
  });
});

t.test("A2 a redacted step runs on the patched inputs, and the original is nowhere", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const secret = `secret-${Math.random()}`;
    const sink = makeSink(() => done({ ok: true }, { tokens: 10, usdMicros: 0 }));
    const redact: Decide = ({ inputs }) =>
      (inputs as JsonObject)["card"] === "[redacted]"
        ? { effect: "allow" }
        : {
            effect: "redact",
            reasons: ["card"],
            patches: [{ op: "replace", path: "/inputs/card", value: "[redacted]" }],
          };
    const rig = await startRig(t, { database, packs: { runtime: redact }, adapters: [sink.adapter], tenant });
    const runUid = await rig.submit({
      steps: [{ id: "a", type: "sink", inputs: { card: secret } }],
      budget: { tokens: 100 },
    });
    t.equal((await rig.ended(runUid)).status, "succeeded");
    t.equal(sink.calls[0]?.spec.inputs["card"], "[redacted]");
    t.match((await rig.steps(runUid)).get("a"), { state: "succeeded", attemptsMade: 1, tokens: 10 });
    t.match(await eventOf(rig, runUid, "step_succeeded"), { budget: { actual: { tokens: 10 } } });
    t.match(await eventOf(rig, runUid, "step_input_redacted"), { paths: ["/inputs/*"] });
    const blobs = await rig.rows("select field from stepgate.blobs where run_uid = $1 and field = 'input'", [runUid]);
    t.equal(blobs.length, 1, "the original's blob and key are deleted with the redaction");
  });
});

t.test("A2 what cannot be redacted is denied", async (t) => {
  const refusals = [
    {
      why: "a patch on a missing path",
      patches: [{ op: "replace", path: "/inputs/none", value: 1 }],
      kind: "patch_not_allowed",
    },
    {
      why: "a patch outside the payload",
      patches: [{ op: "add", path: "/policy/guardrails/0", value: "x" }],
      kind: "patch_not_allowed",
    },
    {
      why: "a patch of what may not change",
      patches: [{ op: "replace", path: "/execution/max_attempts", value: 9 }],
      kind: "patch_not_allowed",
    },
    { why: "a redaction that its own pack redacts again", patches: "growing", kind: "redaction_not_stable" },
  ] as const;
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink(() => done(null));
    const runtime: Decide = ({ inputs }) => {
      const { which, text } = inputs as JsonObject;
      const refusal = refusals.find(({ why }) => why === which);
      const patches =
        refusal?.patches === "growing"
          ? [{ op: "replace" as const, path: "/inputs/text", value: `${String(text)}!` }]
          : (refusal?.patches ?? []);
      return { effect: "redact", reasons: ["r"], patches };
    };
    const rig = await startRig(t, { database, packs: { runtime }, adapters: [sink.adapter], tenant });
    for (const { why, kind } of refusals) {
      const runUid = await rig.submit({ steps: [{ id: "a", type: "sink", inputs: { which: why, text: "x" } }] });
      await rig.ended(runUid);
      t.equal((await rig.steps(runUid)).get("a")?.errorKind, kind, why);
    }
    t.equal(sink.calls.length, 0);
  });
});

t.test(
  "A3 a failing step is tried again after its backoff, each attempt charged, then fails without compensation",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const sink = makeSink(() => failure());
      const rig = await startRig(t, { database, packs: { runtime: allow }, adapters: [sink.adapter], tenant });
      const runUid = await rig.submit({
        steps: [
          {
            id: "a",
            type: "sink",
            inputs: {},
            execution: { max_attempts: 2, retry_backoff_ms: 10, cost_hint: { tokens: 5 } },
          },
        ],
        budget: { tokens: 100 },
      });
      t.equal((await rig.ended(runUid)).status, "failed");
      t.equal(sink.calls.length, 2);
      const retry = await eventOf(rig, runUid, "step_retry_scheduled");
      t.match(retry, { attempt: 1, error_kind: "execution_error", reason: "retry" });
      t.ok(typeof retry["not_before_ms"] === "number");
      t.match(await auditsOf(rig, "step.retry"), [
        { run_id: runUid, step_id: "a", attempt: 1, status: "retry_scheduled", not_before_ms: retry["not_before_ms"] },
      ]);
      t.match((await rig.steps(runUid)).get("a"), { state: "failed", attemptsMade: 2, errorKind: "execution_error" });
      t.match(
        await rig.rows(
          "select kind, actual_tokens, actual_usd_micros from stepgate.cost_ledger where run_uid = $1 order by lease_epoch",
          [runUid],
        ),
        [
          { kind: "retry_scheduled", actual_tokens: 3, actual_usd_micros: 7 },
          { kind: "failed", actual_tokens: 3, actual_usd_micros: 7 },
        ],
      );
      t.match(
        (await rig.rows("select tokens_used, tokens_reserved from stepgate.budgets where run_uid = $1", [runUid]))[0],
        { tokens_used: 6, tokens_reserved: 0 },
      );
      t.notOk((await rig.events(runUid)).some(({ type }) => type === "compensation_scheduled"));

      const backoffMs = 300_000;
      const waiting = await rig.submit({
        steps: [{ id: "a", type: "sink", inputs: {}, execution: { max_attempts: 2, retry_backoff_ms: backoffMs } }],
        budget: { tokens: 100 },
      });
      await rig.until(waiting, (steps) => steps.get("a")?.attemptsMade === 1 && steps.get("a")?.state !== "running");
      const between = (await rig.steps(waiting)).get("a");
      t.match(between, { state: "queued", attemptsMade: 1 }, "between two attempts");
      const untilMs = (between?.notBeforeMs ?? 0) - Date.now();
      t.ok(untilMs > backoffMs / 2 && untilMs <= backoffMs, `not before ${untilMs} ms from now`);
      t.match(
        await rig.rows("select tokens_used, tokens_reserved from stepgate.budgets where run_uid = $1", [waiting]),
        [{ tokens_used: 3, tokens_reserved: 0 }],
        "the first is charged",
      );
    });
  },
);

t.test("A4 a step above the in-flight ceiling is put back unrecorded and runs when there is room", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    let release = (): void => undefined;
    const sink = makeSink(({ stepId }) =>
      stepId === "big"
        ? new Promise<ExecutorResult>((resolve) => {
            release = () => resolve(done(null));
          })
        : done(null),
    );
    const rig = await startRig(t, {
      database,
      packs: { runtime: allow },
      adapters: [sink.adapter],
      tenant,
      env: { STEPGATE_MAX_IN_FLIGHT_USD: "1.0" },
    });
    const step = (id: string, usd_micros: number) => ({
      id,
      type: "sink",
      inputs: {},
      execution: { cost_hint: { usd_micros } },
    });
    const big = await rig.submit({ steps: [step("big", 1_000_000)] });
    await rig.until(big, (steps) => steps.get("big")?.state === "running");
    const small = await rig.submit({ steps: [step("small", 500_000)] });
    await rig.untilEvent(small, ({ type, data }) => type === "step_queued" && data["reason"] === "backpressure");
    // it is tried again every 50 ms, and put back each time
    await rig.until(small, (steps) => {
      const { state, notBeforeMs = 0, attemptsMade, recordIds } = steps.get("small") ?? {};
      return state === "queued" && notBeforeMs > 0 && attemptsMade === 0 && recordIds?.length === 0;
    });
    t.same(
      await rig.rows("select record_id from stepgate.records where run_uid = $1", [small]),
      [],
      "putting it back is no decision",
    );
    release();
    t.equal((await rig.ended(small)).status, "succeeded");
    t.equal((await rig.ended(big)).status, "succeeded");
  });
});

t.test("A5 a checkpoint is stored and handed to the next attempt", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink((_, call) => (call === 1 ? failure({ checkpoint: { state: 42 } }) : done(null)));
    const rig = await startRig(t, { database, packs: { runtime: allow }, adapters: [sink.adapter], tenant });
    const runUid = await rig.submit({
      steps: [{ id: "a", type: "sink", inputs: {}, execution: { max_attempts: 2, retry_backoff_ms: 1 } }],
    });
    t.equal((await rig.ended(runUid)).status, "succeeded");
    t.match(
      sink.calls.map((call) => [call.attempt, call.checkpoint]),
      [
        [1, undefined],
        [2, { state: 42 }],
      ],
    );
    t.equal(
      (await rig.rows("select 1 from stepgate.blobs where run_uid = $1 and field = 'checkpoint'", [runUid])).length,
      1,
    );
  });
});

t.test("A6 A7 B3 a failed step is compensated once, while the run is compensating, both ledgers right", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink(({ stepId }) =>
      stepId === "origin"
        ? failure({ retryable: false, usage: { tokens: 20, usdMicros: 100_000 } })
        : done(null, { tokens: 5, usdMicros: 250_000 }),
    );
    const rig = await startRig(t, { database, packs: { runtime: allow }, adapters: [sink.adapter], tenant });
    const hint = (tokens: number, usd_micros: number) => ({ cost_hint: { tokens, usd_micros } });
    const runUid = await rig.submit({
      steps: [
        {
          id: "origin",
          type: "sink",
          inputs: {},
          execution: { ...hint(50, 1_500_000), compensation: { step: "undo" } },
        },
        {
          id: "undo",
          type: "sink",
          inputs: { was: { $from: "origin", pointer: "/inputs" } },
          execution: hint(10, 500_000),
        },
      ],
      budget: { tokens: 1000, usd_micros: 10_000_000 },
    });
    t.equal((await rig.ended(runUid)).status, "failed");
    const log = (await rig.events(runUid)).map(({ type, stepId }) => `${type} ${stepId ?? ""}`.trim());
    const inOrder = [
      "step_failed origin",
      "run_compensating",
      "step_started undo",
      "step_succeeded undo",
      "run_failed",
    ];
    t.same(
      log.filter((entry) => inOrder.includes(entry)),
      inOrder,
      "it runs while the run is compensating",
    );
    const written = await rig.rows(
      `select type, xmin::text as transaction from stepgate.run_events
        where run_uid = $1 and type in ('step_failed', 'compensation_scheduled') order by type`,
      [runUid],
    );
    t.match(written, [{ type: "compensation_scheduled" }, { type: "step_failed" }], "each once");
    t.equal(written[0]?.["transaction"], written[1]?.["transaction"], "scheduled in the transaction that fails it");
    t.same(await auditsOf(rig, "step.compensation"), [
      { run_id: runUid, step_id: "origin", compensation_step: "undo" },
    ]);
    t.match(
      await rig.rows(
        `select step_id, kind, reserved_tokens, reserved_usd_micros, actual_tokens, actual_usd_micros from stepgate.cost_ledger
                             where run_uid = $1 order by lease_epoch, kind`,
        [runUid],
      ),
      [
        { step_id: "origin", kind: "compensation_scheduled", reserved_tokens: 0 },
        { step_id: "origin", kind: "failed", reserved_tokens: 50, reserved_usd_micros: 1_500_000 },
        {
          step_id: "undo",
          kind: "succeeded",
          reserved_tokens: 10,
          reserved_usd_micros: 500_000,
          actual_tokens: 5,
          actual_usd_micros: 250_000,
        },
      ],
    );
  });
});

t.test("A8 a failing root skips its child", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink(() => failure({ retryable: false }));
    const rig = await startRig(t, { database, packs: { runtime: allow }, adapters: [sink.adapter], tenant });
    const step = (id: string) => ({ id, type: "sink", inputs: {} });
    const runUid = await rig.submit({
      steps: [step("root"), step("child"), step("grandchild")],
      edges: [
        ["root", "child"],
        ["child", "grandchild"],
      ],
    });
    await rig.ended(runUid);
    const steps = await rig.steps(runUid);
    t.match(
      ["root", "child", "grandchild"].map((id) => steps.get(id)?.state),
      ["failed", "skipped", "skipped"],
    );
    const types = (await rig.events(runUid)).map(({ type }) => type);
    t.ok(types.includes("step_failed") && types.includes("step_skipped"));
    t.equal(sink.calls.length, 1);
  });
});

t.test("A12 B2 the step's own budget is its cap", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink(() => done(null));
    const rig = await startRig(t, { database, packs: { runtime: allow }, adapters: [sink.adapter], tenant });
    const runUid = await rig.submit({
      steps: [
        {
          id: "a",
          type: "sink",
          inputs: {},
          policy: { budget: { tokens: 10 } },
          execution: { cost_hint: { tokens: 20 } },
        },
      ],
    });
    await rig.ended(runUid);
    t.match((await rig.steps(runUid)).get("a"), { state: "failed", errorKind: "budget_exceeded", attemptsMade: 0 });
    t.match(await eventOf(rig, runUid, "step_refused"), { error_kind: "budget_exceeded" });
    t.equal(sink.calls.length, 0);
  });
});

t.test(
  "A15 T1 a step refused at any stage leaves a signed record and a decision artifact, and no sink is touched",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      const sink = makeSink(() => done(null, { tokens: 60, usdMicros: 0 }));
      const runtime: Decide = ({ step }) =>
        (step as JsonObject)["id"] === "decide"
          ? { effect: "deny", reasons: ["no"] }
          : { effect: "allow", ...narrowed((step as JsonObject)["id"]) };
      const guardrail: Decide = ({ step }) =>
        (step as JsonObject)["id"] === "guardrails" ? { effect: "deny", reasons: ["no"] } : { effect: "allow" };
      // what a refused step held in flight and did not give back would keep every later one waiting
      const all = { execution: { cost_hint: { tokens: 60 } } };
      const rig = await startRig(t, {
        database,
        packs: { runtime, guardrail },
        adapters: [sink.adapter],
        tenant: { ...tenant, required_guardrails: ["guardrail"] },
        env: { STEPGATE_MAX_IN_FLIGHT_TOKENS: "60" },
      });
      const stages = ["guardrails", "decide", "mint", "guard", "admit"];
      const step = (id: string) => ({ id, type: "sink", inputs: {}, ...all });
      const runUid = await rig.submit({
        steps: ["guardrails", "decide", "mint", "guard", "spender", "admit"].map(step),
        budget: { tokens: 100 },
        run_config: { execution_mode: "sequential" },
      });
      await rig.ended(runUid);
      const refusals = (await rig.events(runUid)).filter(({ type }) => type === "step_refused");
      t.same(
        refusals.map(({ stepId, data }) => [stepId, data["stage"]]),
        stages.map((stage) => [stage, stage]),
      );
      const records = await rig.rows(
        "select step_id, kind from stepgate.records where run_uid = $1 and kind = 'refusal'",
        [runUid],
      );
      const artifacts = await rig.rows("select step_id from stepgate.artifacts where run_uid = $1", [runUid]);
      for (const id of stages) {
        t.ok(
          records.some((row) => row["step_id"] === id),
          `record of ${id}`,
        );
        t.ok(
          artifacts.some((row) => row["step_id"] === id),
          `artifact of ${id}`,
        );
      }
      t.equal(sink.calls.length, 1, "only the step within the budget ran");
      t.equal(refusals.at(-1)?.data["error_kind"], "budget_exceeded");
      await verifies(t, rig, runUid, "their records are signed");
      const after = await rig.submit({ steps: [step("after")] });
      t.equal((await rig.ended(after)).status, "succeeded", "nothing is left in flight");
    });
  },
);

/** Obligations that break minting, or leave a scope that does not cover the demand. */
function narrowed(id: JsonObject[string] | undefined) {
  if (id === "mint") return { obligations: [{ id: "o", type: "limit" as const, properties: { tokens: "many" } }] };
  if (id === "guard") return { obligations: [{ id: "o", type: "limit" as const, properties: { calls: 0 } }] };
  return {};
}
