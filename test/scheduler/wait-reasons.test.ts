import t from "tap";
import type { StepId } from "../../src/core/ids.ts";
import { type WaitFacts, waitReasons } from "../../src/scheduler/wait-reasons.ts";

const queued: WaitFacts = {
  type: "http",
  state: "queued",
  isUnplaced: false,
  runState: "running",
  pausedStep: undefined,
  maxParallel: 8,
  isTenantPaused: false,
  isTypePaused: false,
  isServed: true,
  notBeforeMs: undefined,
  unmet: [],
  origin: undefined,
  deferredFor: undefined,
  deferredBy: undefined,
  isAlone: false,
  worker: undefined,
  startedAtMs: undefined,
  approvalId: undefined,
  ahead: 0,
};
const step = (id: string) => id as StepId;

t.test("every reason for which a step may wait is named", async (t) => {
  const cases: readonly { readonly why: string; readonly facts: Partial<WaitFacts>; readonly waits: unknown }[] = [
    { why: "its turn", facts: { ahead: 3 }, waits: [{ reason: "rank", count: 3 }] },
    {
      why: "dependencies",
      facts: { state: "blocked", unmet: [step("a"), step("b")] },
      waits: [{ reason: "dependency", steps: ["a", "b"] }],
    },
    {
      why: "its origin's failure",
      facts: { state: "blocked", origin: step("pay") },
      waits: [{ reason: "compensation", steps: ["pay"] }],
    },
    {
      why: "its turn among those that are to be undone",
      facts: { state: "blocked", origin: step("pay"), unmet: [step("mail")] },
      waits: [
        { reason: "compensation", steps: ["pay"] },
        { reason: "compensation_turn", steps: ["mail"] },
      ],
    },
    { why: "a person", facts: { state: "held", approvalId: "id" }, waits: [{ reason: "approval", approvalId: "id" }] },
    { why: "a signal", facts: { state: "waiting" }, waits: [{ reason: "waiting" }] },
    {
      why: "room in its run",
      facts: { isUnplaced: true, ahead: undefined },
      waits: [{ reason: "max_parallel", count: 8 }],
    },
    {
      why: "a new attempt",
      facts: { notBeforeMs: 5, deferredFor: "retry" },
      waits: [{ reason: "retry", untilMs: 5 }],
    },
    {
      why: "a quota",
      facts: { notBeforeMs: 5, deferredFor: "quota", deferredBy: "tokens" },
      waits: [{ reason: "quota", untilMs: 5, of: "tokens" }],
    },
    {
      why: "room in flight",
      facts: { notBeforeMs: 5, deferredFor: "backpressure" },
      waits: [{ reason: "pressure", untilMs: 5 }],
    },
    {
      why: "a place of its key, whose time to look again has come",
      facts: { deferredFor: "concurrency_key", deferredBy: "crm", ahead: 2 },
      waits: [
        { reason: "concurrency_key", of: "crm" },
        { reason: "rank", count: 2 },
      ],
    },
    {
      why: "a place of its key, for which it is looked at just now",
      facts: { state: "leased", deferredFor: "concurrency_key", deferredBy: "crm", ahead: undefined },
      waits: [{ reason: "concurrency_key", of: "crm" }],
    },
    {
      why: "room in its run, whose time to look again has come",
      facts: { deferredFor: "max_parallel", ahead: 0 },
      waits: [
        { reason: "max_parallel", count: 8 },
        { reason: "rank", count: 0 },
      ],
    },
    {
      why: "its turn: the time of its new attempt has come",
      facts: { deferredFor: "retry" },
      waits: [{ reason: "rank", count: 0 }],
    },
    { why: "nothing: it is looked at, and has not waited", facts: { state: "leased", ahead: undefined }, waits: [] },
    {
      why: "a worker with nothing else in hand",
      facts: { isAlone: true, deferredFor: "retry" },
      waits: [{ reason: "alone" }, { reason: "rank", count: 0 }],
    },
    {
      why: "a time that nothing else explains",
      facts: { notBeforeMs: 5, deferredFor: "changed" },
      waits: [{ reason: "not_before", untilMs: 5 }],
    },
    {
      why: "everything at once, what is nearest to a person first",
      facts: { runState: "paused_at_step", isTenantPaused: true, isTypePaused: true, isServed: false, ahead: 1 },
      waits: [
        { reason: "run_paused" },
        { reason: "tenant_paused" },
        { reason: "type_paused" },
        { reason: "no_worker" },
        { reason: "rank", count: 1 },
      ],
    },
    {
      why: "a breakpoint",
      facts: { runState: "paused_at_step", pausedStep: step("a") },
      waits: [
        { reason: "breakpoint", steps: ["a"] },
        { reason: "rank", count: 0 },
      ],
    },
    { why: "nothing: it runs", facts: { state: "running" }, waits: [] },
    { why: "nothing: it has ended", facts: { state: "failed" }, waits: [] },
  ];
  for (const { why, facts, waits } of cases) t.same(waitReasons({ ...queued, ...facts }), waits, why);
});
