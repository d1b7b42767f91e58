/**
 * What comes out of an executor (spec 01: A13, A16): inspected before it is stored, denied where it must be, and
 * never able to hurt the settlement of others.
 */
import t from "tap";
import type { JsonObject, JsonValue } from "../../src/core/json.ts";
import type { ExecutorResult } from "../../src/executors/contract.ts";
import { makeReadArtifacts } from "../../src/runs/export-evidence.ts";
import { PERL } from "../executors/process/sandbox.ts";
import { forEachDatabase } from "../storage/test-database.ts";
import { verifies } from "./evidence-of.ts";
import { allow, type Decide, done, makeSink, type Rig, redactCard, startRig } from "./rig.ts";

const tenant = { runtime_pack: "runtime", required_guardrails: [] };
const step = (id: string, more: JsonObject = {}) => ({ id, type: "sink", inputs: {}, ...more });
const CARD = "4111 1111 1111 1111";

/** Every payload of a run, opened. */
async function opened(rig: Rig, runUid: string): Promise<readonly { readonly field: string; readonly text: string }[]> {
  const { store, vaults } = rig.stepgate.rooms;
  const vault = await vaults.of(rig.tenantUid);
  const rows = await rig.rows("select blob_id from stepgate.blobs where run_uid = $1", [runUid]);
  return Promise.all(
    rows.map(async (row) => {
      const blob = await store.readBlob(rig.tenantUid, String(row["blob_id"]) as never);
      if (blob === undefined) throw new TypeError("a blob that was just listed is gone");
      return { field: blob.field, text: vault.open(blob, blob) };
    }),
  );
}

/** At egress: replaces every text of the output that holds the card. */
const maskCard: Decide = ({ boundary, output }) => {
  if (boundary !== "egress_tool") return { effect: "allow" };
  const paths = findCard(output ?? null, "/output");
  if (paths.length === 0) return { effect: "allow" };
  return {
    effect: "redact",
    reasons: ["card"],
    patches: paths.map((path) => ({ op: "replace", path, value: "[card]" })),
  };
};

function findCard(value: JsonValue, path: string): readonly string[] {
  if (typeof value === "string") return value.includes(CARD) ? [path] : [];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => findCard(item, `${path}/${key}`));
}

t.test("A13 T1 one redacting evaluation yields a signed decision artifact of kind policy_decisions", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink(() => done(null));
    const rig = await startRig(t, { database, packs: { runtime: redactCard }, adapters: [sink.adapter], tenant });
    const runUid = await rig.submit({ steps: [step("a", { inputs: { card: CARD } })] });
    await rig.ended(runUid);
    const { evaluations = [] } = (await rig.stepgate.rooms.store.stepEnd(rig.tenantUid, runUid as never)) ?? {};
    t.same(
      evaluations.map(({ boundary, effect }) => [boundary, effect]),
      [
        ["scheduler", "redact"],
        ["egress_tool", "allow"],
      ],
      "one record per evaluation",
    );
    const found = (await rig.steps(runUid)).get("a")?.decisionArtifact ?? "";
    const report = await verifies(t, rig, runUid);
    t.equal(report.summary.artifacts, 1);
    const [row] = await rig.rows("select artifact_id, kind, metadata from stepgate.artifacts where run_uid = $1", [
      runUid,
    ]);
    t.match(row, { artifact_id: found, kind: "policy_decisions" });
    const metadata = JSON.parse(String(row?.["metadata"])) as JsonObject;
    t.match(metadata, {
      kind: "policy_decisions",
      count: 2,
      redacted: true,
      denied: false,
      effects: ["redact", "allow"],
      origins: Array,
      trust_origin: { run: runUid, step: "a" },
    });
    const view = await makeReadArtifacts(rig.stepgate.rooms).view(rig.tenantUid, found as never);
    t.match(view?.metadata, { signature: { algorithm: "Ed25519", key_id: /./, value: /./ } });
  });
});

t.test("A16 output, error text, details and tool events are redacted before they are stored", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const toolEvents = [{ kind: "printed", payload: { line: `pay ${CARD}` } }];
    const sink = makeSink(
      ({ stepId }): ExecutorResult =>
        stepId === "good"
          ? {
              ok: true,
              output: { nested: [CARD], fine: "kept" },
              checkpoint: { at: CARD },
              usage: { tokens: 1 },
              toolEvents,
            }
          : {
              ok: false,
              kind: "execution_error",
              retryable: false,
              code: "boom",
              message: `declined: ${CARD}`,
              details: { stderr: `trace ${CARD}` },
              usage: { tokens: 1 },
              toolEvents,
            },
    );
    const rig = await startRig(t, { database, packs: { runtime: maskCard }, adapters: [sink.adapter], tenant });
    const runUid = await rig.submit({ steps: [step("good"), step("bad")] });
    await rig.ended(runUid);
    const blobs = await opened(rig, runUid);
    t.notOk(
      blobs.some(({ text }) => text.includes(CARD)),
      "nowhere, not even sealed",
    );
    const textOf = (field: string) => blobs.find((blob) => blob.field === field)?.text ?? "";
    t.match(JSON.parse(textOf("output")), { value: { nested: ["[card]"], fine: "kept" } });
    t.match(JSON.parse(textOf("error")), { code: "boom", message: "[card]", details: { stderr: "[card]" } });
    t.match(JSON.parse(textOf("checkpoint")), { at: "[card]" });
    await verifies(t, rig, runUid);
  });
});

t.test(
  "A16 what a real program writes to stderr is redacted before it is stored, whether it succeeds or not",
  async (t) => {
    await forEachDatabase(t, async (t, database) => {
      let seen = 0;
      const runtime: Decide = (input) => {
        const decision = maskCard(input);
        if (decision.effect === "redact") seen += 1;
        return decision;
      };
      const rig = await startRig(t, { database, packs: { runtime }, tenant });
      await rig.stepgate.rooms.tenants.putExecutorSettings({
        tenantUid: rig.tenantUid,
        type: "process",
        settings: PERL,
        actor: "test",
      });
      // the number is put together by the program: it is in no input
      const complaint = (exitCode: number) =>
        `print "fine"; print STDERR join(" ", "4111", ("1111") x 3), "\\n"; exit ${exitCode}`;
      const runUid = await rig.submit({
        steps: [0, 3].map((exitCode) => ({
          id: `exit-${exitCode}`,
          type: "process",
          inputs: { command: ["perl", "-e", complaint(exitCode)] },
        })),
      });
      await rig.ended(runUid);
      t.match([...(await rig.steps(runUid)).values()].map(({ state }) => state).sort(), ["failed", "succeeded"]);
      t.equal(seen, 2, "the number came out of both");
      const blobs = await opened(rig, runUid);
      t.notOk(
        blobs.some(({ text }) => text.includes(CARD)),
        "nowhere, not even sealed",
      );
      const textOf = (field: string) => blobs.find((blob) => blob.field === field)?.text ?? "";
      t.match(JSON.parse(textOf("output")), { value: { stdout: "fine", stderr: "[card]" } });
      t.match(JSON.parse(textOf("error")), { details: { stdout: "fine", stderr: "[card]" } });
      await verifies(t, rig, runUid);
    });
  },
);

t.test("A16 denied output is stored nowhere, charged and compensated", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink(({ stepId }) =>
      stepId === "leaky" ? done({ card: CARD }, { tokens: 9, usdMicros: 1 }) : done(null),
    );
    const deny: Decide = ({ boundary, output }) =>
      boundary === "egress_tool" && findCard(output ?? null, "").length > 0
        ? { effect: "deny", reasons: ["card_in_output"] }
        : { effect: "allow" };
    const rig = await startRig(t, { database, packs: { runtime: deny }, adapters: [sink.adapter], tenant });
    const runUid = await rig.submit({
      steps: [step("leaky", { execution: { max_attempts: 3, compensation: { step: "undo" } } }), step("undo")],
      budget: { tokens: 100 },
    });
    const run = await rig.ended(runUid);
    t.equal(run.status, "failed");
    t.match(run.budget, { tokens: { used: 9 } });
    const steps = await rig.steps(runUid);
    t.match(steps.get("leaky"), {
      state: "failed",
      errorKind: "output_denied",
      reasons: ["card_in_output"],
      attemptsMade: 1,
    });
    t.equal(steps.get("undo")?.state, "succeeded");
    const blobs = await opened(rig, runUid);
    t.notOk(blobs.some(({ text }) => text.includes(CARD)));
    t.equal(
      (
        await rig.rows("select output_blob from stepgate.steps where run_uid = $1 and step_id = 'leaky'", [runUid])
      )[0]?.["output_blob"],
      null,
    );
    await verifies(t, rig, runUid);
  });
});

t.test("whatever an adapter answers that is no result is a failed attempt, never a step without end", async (t) => {
  const answers: Readonly<Record<string, () => unknown>> = {
    nothing: () => undefined,
    "no output": () => ({ ok: true, toolEvents: [] }),
    "a kind that does not exist": () => ({ ok: false, kind: "surprise", code: "x", message: "", toolEvents: [] }),
    "a code that holds text": () => ({
      ok: false,
      kind: "execution_error",
      code: `card ${CARD}`,
      message: "",
      toolEvents: [],
    }),
    "events that are none": () => ({ ok: true, output: 1, toolEvents: [null] }),
    "a function as output": () => ({ ok: true, output: { call: () => 1 }, toolEvents: [] }),
    "a number beyond numbers": () => ({ ok: true, output: Number.NaN, toolEvents: [] }),
    "a lone surrogate": () => ({ ok: true, output: "\ud800", toolEvents: [] }),
    "a throw": () => {
      throw new TypeError("out of tune");
    },
    "a cancellation that nobody asked for": () => ({
      ok: false,
      kind: "cancelled",
      code: "x",
      message: "",
      retryable: false,
      toolEvents: [],
    }),
  };
  await forEachDatabase(t, async (t, database) => {
    const sink = makeSink(({ spec }) => answers[String(spec.inputs["answer"])]?.() as ExecutorResult);
    const rig = await startRig(t, { database, packs: { runtime: allow }, adapters: [sink.adapter], tenant });
    for (const answer of Object.keys(answers)) {
      const runUid = await rig.submit({ steps: [step("a", { inputs: { answer } })] });
      t.equal((await rig.ended(runUid)).status, "failed", answer);
      const ended = (await rig.steps(runUid)).get("a");
      t.equal(ended?.state, "failed", answer);
      t.ok(
        ended?.errorKind === "execution_error" || ended?.errorKind === "result_not_storable",
        `${answer}: ${ended?.errorKind}`,
      );
      t.notOk(JSON.stringify(await rig.events(runUid)).includes(CARD), `${answer}: nothing of it in the log`);
    }
  });
});
