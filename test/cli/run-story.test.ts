import t from "tap";
import { NO_STORY, type RunStory, tell } from "../../src/cli/run-story.ts";
import { endLine, showEvent } from "../../src/cli/story-lines.ts";
import type { EventView } from "../../src/cli/wire.ts";
import { capture } from "./captured.ts";

const budget = (tokens: number, usdMicros: number) => ({ actual: { tokens, usd_micros: usdMicros } });
const started = { jti: "t1", executor: "http", isolation: "none", effects: ["allow"], admission_record: "r1" };

function events(...list: readonly (readonly [string, string | undefined, Record<string, unknown>])[]): EventView[] {
  return list.map(([type, id, data], at) => ({
    seq: at + 1,
    type,
    ...(id === undefined ? {} : { step_id: id }),
    at: "2026-11-21T12:00:00.000Z",
    data,
  }));
}

const LOG = events(
  ["run_submitted", undefined, {}],
  ["step_input_redacted", "a", { paths: ["/inputs/body"] }],
  ["step_started", "a", { ...started, effects: ["allow", "redact"], redacted_paths: ["/inputs/body"] }],
  [
    "step_retry_scheduled",
    "a",
    {
      latency_ms: 5,
      outcome_record: "r2",
      budget: budget(3, 10),
      error_kind: "execution_error",
      reasons: ["http_status"],
    },
  ],
  [
    "step_started",
    "a",
    { ...started, jti: "t2", admission_record: "r3", effects: ["redact"], redacted_paths: ["/inputs/body"] },
  ],
  [
    "step_failed",
    "a",
    {
      latency_ms: 7,
      outcome_record: "r4",
      budget: budget(4, 20),
      error_kind: "execution_error",
      reasons: ["http_status"],
    },
  ],
  ["compensation_scheduled", "a", { origin: "a", target: "undo" }],
  [
    "step_refused",
    "b",
    {
      executor: "noop",
      error_kind: "budget_exceeded",
      reasons: ["budget_exceeded"],
      refusal_record: "r5",
      redacted_paths: [],
      detail: { which: "tokens", limit: 50, used: 7, reserved: 0, requested: 60 },
    },
  ],
  ["step_skipped", "c", { reason: "dependency_failed" }],
  ["step_started", "undo", { ...started, jti: "t3", admission_record: "r6" }],
  ["step_succeeded", "undo", { latency_ms: 1, outcome_record: "r7", budget: budget(0, 0) }],
  ["run_failed", undefined, {}],
);

const story = LOG.reduce<RunStory>(tell, NO_STORY);

t.test("attempts add up, and a step's story ends with its last one", async (t) => {
  t.match(story.steps.get("a"), {
    state: "failed",
    decision: "redact",
    redacted: ["/inputs/body"],
    tokens: ["t1", "t2"],
    attempts: 2,
    latencyMs: 12,
    costTokens: 7,
    costUsdMicros: 30,
    records: ["r1", "r2", "r3", "r4"],
    errorKind: "execution_error",
  });
  t.equal(story.end, "failed");
});

t.test("refusals, skips and compensations are told as what they are", async (t) => {
  t.match(story.steps.get("b"), { state: "refused", decision: "budget", attempts: 0, tokens: [], records: ["r5"] });
  t.match(story.steps.get("c"), { state: "skipped", reasons: ["dependency_failed"], executor: undefined });
  t.match(story.steps.get("undo"), { state: "succeeded", undoes: "a", decision: "allow" });
});

t.test("an event that a newer gateway adds, or with members of another form, changes nothing", async (t) => {
  const after = events(
    ["step_teleported", "a", {}],
    ["step_started", "z", { effects: "allow", jti: 7, redacted_paths: [1] }],
  ).reduce<RunStory>(tell, story);
  t.strictSame(after.steps.get("a"), story.steps.get("a"));
  t.match(after.steps.get("z"), { tokens: [], redacted: [], decision: undefined });
});

t.test("lines say what happened, why, and where the proof is", async (t) => {
  const seen = capture();
  LOG.reduce<RunStory>((before, event) => {
    const after = tell(before, event);
    showEvent(seen.around.terminal, event, after);
    return after;
  }, NO_STORY);
  const lines = seen.out().split("\n");
  t.match(lines[0], /next a +http +failed, try 2 next +5 ms +\$0.00001 +execution_error: http_status/);
  t.equal(lines[1]?.trim(), "token t1 · record r2");
  t.match(lines[4], /stop b +noop +budget +asks for 60 tokens, 43 of 50 are left/);
  t.match(lines[6], /skip c +– +skipped +dependency_failed/);
  t.match(lines[7], /undo undo +http +compensated .*undoes a/);
  t.equal(endLine(story), "run failed · 4 steps · 7 records · 3 capability tokens · used 7 tokens, $0.00003");
});
