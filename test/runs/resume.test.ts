import t from "tap";
import { canonicalJson, sha256Hex } from "../../src/core/canonical-json.ts";
import type { RunUid } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { parseJson } from "../../src/core/parse-json.ts";
import { makeReadManifest, type StoredManifest } from "../../src/runs/manifest.ts";
import { beginResume, makePlanResume, type ResumePlan } from "../../src/runs/resume.ts";
import { normalizeRunConfig } from "../../src/runs/run-config.ts";
import type { StepSubmission } from "../../src/runs/step-submission.ts";
import {
  ended,
  failed,
  type Line,
  logOf,
  lost,
  RUN_UID,
  refused,
  retried,
  scheduled,
  skipped,
  started,
  submitted,
  succeeded,
} from "./log-fixture.ts";
import { manifestOf } from "./manifest-fixture.ts";
import { step } from "./plan-fixture.ts";
import { refusalOf } from "./refusal.ts";

type Edges = readonly (readonly [string, string])[];
const planResume = makePlanResume({ readManifest: makeReadManifest(), maxLostAttempts: 5 });

function resumeWith(
  manifest: StoredManifest,
  lines: readonly Line[],
  stored: string | undefined = manifest.text,
): ResumePlan {
  const reading = beginResume(RUN_UID, logOf([submitted(manifest.manifest, {}, manifest.id), ...lines]));
  if (reading.kind === "ended") throw new Error("the log has ended");
  return planResume(reading, stored);
}
const resume = (steps: readonly StepSubmission[], edges: Edges, lines: readonly Line[]) =>
  resumeWith(manifestOf(steps, edges), lines);
const actionsOf = ({ steps }: ResumePlan) => Object.fromEntries(steps);

const chain = [step("a"), step("b"), step("c")];
const chainEdges: Edges = [
  ["a", "b"],
  ["b", "c"],
];
const undoing = (id: string, target: string, on: "failure_of_step" | "failure_of_run" = "failure_of_step") =>
  step(id, { execution: { compensation: { step: target, on } } });
const open = (attempt: number) => ({ attempt, leaseEpoch: 100 + attempt });
const none = { kind: "none" } as const;
const blocked = { kind: "stay_blocked" } as const;
const queue = { kind: "queue", notBeforeMs: undefined } as const;
const skip = (reason: string) => ({ kind: "skip", reason });

interface Case {
  readonly why: string;
  readonly steps?: readonly StepSubmission[];
  readonly edges?: Edges;
  readonly lines: readonly Line[];
  readonly actions: Readonly<Record<string, object>>;
  readonly next: object;
}

const cases: readonly Case[] = [
  {
    why: "nothing started: the next ready step",
    lines: [],
    actions: { a: queue, b: blocked, c: blocked },
    next: { kind: "work" },
  },
  {
    why: "an open attempt is lost, and the next has the same base",
    lines: [started("a")],
    actions: { a: { kind: "close_lost", open: open(1), afterwards: "queue" }, b: blocked, c: blocked },
    next: { kind: "work" },
  },
  {
    why: "the fifth loss is the last",
    lines: [1, 2, 3, 4].flatMap((attempt) => [started("a", attempt), lost("a", attempt)]).concat([started("a", 5)]),
    actions: { a: { kind: "close_lost", open: open(5), afterwards: "fail" }, b: blocked, c: blocked },
    next: { kind: "work" },
  },
  {
    why: "M12 a retry waits the rest of its not_before",
    lines: [started("a"), retried("a", 1, 99_000)],
    actions: { a: { kind: "queue", notBeforeMs: 99_000 }, b: blocked, c: blocked },
    next: { kind: "work" },
  },
  {
    why: "M9 failed at attempt 1, succeeded at attempt 2: the success counts",
    lines: [started("a"), failed("a"), started("a", 2), succeeded("a", 2)],
    actions: { a: none, b: queue, c: blocked },
    next: { kind: "work" },
  },
  {
    why: "all succeeded and nobody said so: finalise",
    lines: ["a", "b", "c"].flatMap((id) => [started(id), succeeded(id)]),
    actions: { a: none, b: none, c: none },
    next: { kind: "finalise", state: "succeeded" },
  },
  {
    why: "last event a failure: what hangs on it is skipped, then the run fails",
    lines: [started("a"), failed("a")],
    actions: { a: none, b: skip("dependency_failed"), c: skip("dependency_failed") },
    next: { kind: "finalise", state: "failed" },
  },
  {
    why: "refused and skipped already: finalise",
    lines: [refused("a"), skipped("b"), skipped("c")],
    actions: { a: none, b: none, c: none },
    next: { kind: "finalise", state: "failed" },
  },
  {
    why: "a join waits for all, several open attempts are lost together",
    edges: [
      ["a", "c"],
      ["b", "c"],
    ],
    lines: [started("a"), started("b")],
    actions: {
      a: { kind: "close_lost", open: open(1), afterwards: "queue" },
      b: { kind: "close_lost", open: open(1), afterwards: "queue" },
      c: blocked,
    },
    next: { kind: "work" },
  },
  {
    why: "a held step waits for its approval",
    lines: [["step_held", "a", { approval_id: "ap" }]],
    actions: { a: { kind: "await_approval", approvalId: "ap" }, b: blocked, c: blocked },
    next: { kind: "work" },
  },
  {
    why: "a waiting step waits for what the log says",
    lines: [started("a"), ["step_waiting", "a", { signal: "go" }]],
    actions: { a: { kind: "await_event", waitsOn: { signal: "go" } }, b: blocked, c: blocked },
    next: { kind: "work" },
  },
  {
    why: "a paused run stays paused",
    lines: [["run_paused", undefined, { reason: "operator" }]],
    actions: { a: queue, b: blocked, c: blocked },
    next: { kind: "stay_paused" },
  },
  {
    why: "a cancel that was not finished: idle steps are cancelled, the running one closed",
    edges: [],
    lines: [started("a"), ["run_cancel_requested"]],
    actions: {
      a: { kind: "close_lost", open: open(1), afterwards: "cancel" },
      b: { kind: "cancel" },
      c: { kind: "cancel" },
    },
    next: { kind: "work" },
  },
  {
    why: "a cancel with nothing running: cancel and end",
    lines: [["run_cancel_requested"]],
    actions: { a: { kind: "cancel" }, b: { kind: "cancel" }, c: { kind: "cancel" } },
    next: { kind: "finalise", state: "cancelled" },
  },
  {
    why: "A6 a failed step's compensation is scheduled, and the run compensates",
    steps: [undoing("a", "u"), step("u")],
    edges: [],
    lines: [started("a"), failed("a")],
    actions: { a: none, u: { kind: "schedule_compensation", origin: "a" } },
    next: { kind: "compensate", targets: ["u"] },
  },
  {
    why: "a step that was refused without an attempt has nothing to undo",
    steps: [undoing("a", "u"), step("u")],
    edges: [],
    lines: [refused("a")],
    actions: { a: none, u: skip("compensation_not_needed") },
    next: { kind: "finalise", state: "failed" },
  },
  {
    why: "a saga whose run is still open decides nothing",
    steps: [undoing("a", "u", "failure_of_run"), step("u"), step("b")],
    edges: [["a", "b"]],
    lines: [started("a"), succeeded("a")],
    actions: { a: none, b: queue, u: blocked },
    next: { kind: "work" },
  },
  {
    why: "a saga whose run failed undoes the last first",
    steps: [
      undoing("a", "ua", "failure_of_run"),
      undoing("b", "ub", "failure_of_run"),
      step("c"),
      step("ua"),
      step("ub"),
    ],
    edges: [
      ["a", "b"],
      ["b", "c"],
    ],
    lines: [started("a"), succeeded("a"), started("b"), succeeded("b"), refused("c"), scheduled("a", "ua")],
    actions: { a: none, b: none, c: none, ua: blocked, ub: { kind: "schedule_compensation", origin: "b" } },
    next: { kind: "compensate", targets: ["ub", "ua"] },
  },
  {
    why: "killed between two targets: the next one's turn has come",
    steps: [undoing("a", "ua"), undoing("b", "ub"), step("ua"), step("ub")],
    edges: [],
    lines: [
      ...[started("a"), failed("a"), scheduled("a", "ua"), started("b"), failed("b"), scheduled("b", "ub")],
      ...[["run_compensating"] as Line, started("ub"), succeeded("ub")],
    ],
    actions: { a: none, b: none, ua: queue, ub: none },
    next: { kind: "work" },
  },
  {
    why: "compensated and nobody said so: finalise as failed",
    steps: [undoing("a", "u"), step("u")],
    edges: [],
    lines: [started("a"), failed("a"), scheduled("a", "u"), ["run_compensating"], started("u"), succeeded("u")],
    actions: { a: none, u: none },
    next: { kind: "finalise", state: "failed" },
  },
];

t.test("M2 each resume case is decided from manifest and log alone", async (t) => {
  for (const { why, steps = chain, edges = chainEdges, lines, actions, next } of cases) {
    const plan = resume(steps, edges, lines);
    t.same(actionsOf(plan), actions, why);
    t.same(plan.next, next, `${why}: the run`);
  }
});

t.test("fail_fast skips what nobody executes; what runs settles", async (t) => {
  const manifest = manifestOf([step("a"), step("b"), step("c")], [["b", "c"]], {
    runConfig: normalizeRunConfig({ fail_fast: true }),
  });
  const plan = resumeWith(manifest, [started("b"), started("a"), failed("a")]);
  t.match(actionsOf(plan), { a: none, b: { kind: "close_lost" }, c: skip("fail_fast") });
  const idle = resumeWith(manifest, [started("a"), failed("a")]);
  t.match(actionsOf(idle), { a: none, b: skip("fail_fast"), c: skip("dependency_failed") });
  t.same(idle.next, { kind: "finalise", state: "failed" });
});

t.test("the same log gives the same answer every time", async (t) => {
  const lines = [started("a"), retried("a", 1, 5), started("a", 2)];
  t.same(resume(chain, chainEdges, lines), resume(chain, chainEdges, lines));
});

t.test("a log that has ended answers by itself: no manifest is asked for", async (t) => {
  const { manifest } = manifestOf([step("a")]);
  for (const state of ["succeeded", "failed", "cancelled"] as const) {
    const lines = [submitted(manifest, { manifest_id: 5 }), ended(`run_${state}`), ["tool_event", "a"] as Line];
    t.same(beginResume(RUN_UID, logOf(lines)), {
      kind: "ended",
      state,
      finalSnapshotId: "f".repeat(64),
      endedAtMs: 1_010,
    });
  }
});

t.test("the log is checked before anything else: head, validity, beginning", async (t) => {
  const { manifest } = manifestOf([step("a")]);
  const valid = logOf([submitted(manifest)]);
  const other = "0199aaaa-0000-7000-8000-000000000002" as RunUid;
  t.equal(refusalOf(() => beginResume(RUN_UID, []))?.code, "RUN_NOT_FOUND");
  t.equal(refusalOf(() => beginResume(other, valid))?.code, "RUN_ID_MISMATCH");
  t.equal(refusalOf(() => beginResume(RUN_UID, logOf([started("a")])))?.code, "MISSING_RUN_SUBMITTED");
  t.equal(refusalOf(() => beginResume(RUN_UID, logOf([submitted(manifest), succeeded("a")])))?.code, "INVALID_LOG");
  t.match(beginResume(RUN_UID, valid), { kind: "open", opId: manifest.op_id });
});

t.test("M2 M10 the manifest is checked in order: stored, form, digest, shape, mode, op ids, steps", async (t) => {
  const manifest = manifestOf([step("a")]);
  const value = parseJson(manifest.text) as JsonObject;
  const restored = (change: JsonObject) => {
    const text = canonicalJson({ ...value, ...change });
    return { ...manifest, text, id: sha256Hex(text) };
  };
  const foreign = { op_id: sha256Hex("another plan") };
  const refusals: readonly {
    why: string;
    manifest: StoredManifest;
    stored?: string | undefined;
    lines?: readonly Line[];
    code: string;
  }[] = [
    { why: "not stored", manifest, stored: undefined, code: "MANIFEST_NOT_FOUND" },
    { why: "no JSON", manifest, stored: "{", code: "MANIFEST_DECODE_FAILED" },
    { why: "other bytes", manifest, stored: `${manifest.text} `, code: "MANIFEST_CORRUPT" },
    { why: "other shape", manifest: restored({ plan: {} }), code: "MANIFEST_DESERIALIZE_FAILED" },
    { why: "other mode", manifest: restored({ kind: "chain" }), code: "UNSUPPORTED_EXECUTION_MODE" },
    {
      why: "log and manifest name different operations",
      manifest: restored({ op_id: "x" }),
      code: "RUN_SUBMITTED_OP_ID_MISMATCH",
    },
    {
      why: "the operation is named after another plan",
      manifest: { ...restored(foreign), manifest: { ...manifest.manifest, ...foreign } },
      code: "PLAN_OP_ID_MISMATCH",
    },
    { why: "a step that the plan does not have", manifest, lines: [started("x")], code: "STEP_NOT_IN_PLAN" },
  ];
  for (const refusal of refusals) {
    const stored = "stored" in refusal ? refusal.stored : refusal.manifest.text;
    const events = logOf([submitted(refusal.manifest.manifest, {}, refusal.manifest.id), ...(refusal.lines ?? [])]);
    const reading = beginResume(RUN_UID, events);
    if (reading.kind === "ended") throw new Error("the log has ended");
    t.equal(refusalOf(() => planResume(reading, stored))?.code, refusal.code, refusal.why);
  }
});
