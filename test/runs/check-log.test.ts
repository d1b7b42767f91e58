import t from "tap";
import type { RunUid } from "../../src/core/ids.ts";
import { checkLog, makeLogCheck } from "../../src/runs/check-log.ts";
import {
  ended,
  failed,
  type Line,
  logOf,
  lost,
  RUN_UID,
  refused,
  retried,
  skipped,
  started,
  succeeded,
} from "./log-fixture.ts";
import { refusalOf } from "./refusal.ts";

const begin: Line = ["run_submitted"];

t.test("logs as runs write them are accepted", async (t) => {
  const logs: readonly { why: string; lines: readonly Line[] }[] = [
    { why: "only submitted", lines: [begin] },
    { why: "information after the end", lines: [begin, ended("run_succeeded"), ["tool_event", "a"]] },
    {
      why: "retry, loss, success",
      lines: [
        begin,
        started("a"),
        retried("a", 1, 0),
        started("a", 2),
        lost("a", 2),
        started("a", 3),
        succeeded("a", 3),
      ],
    },
    { why: "refused at its second attempt", lines: [begin, started("a"), retried("a", 1, 0), refused("a")] },
    { why: "exhausted: lost and failed in one", lines: [begin, started("a"), failed("a", 1)] },
    { why: "exhausted: lost, then failed", lines: [begin, started("a"), lost("a", 1), failed("a", 1)] },
    { why: "cancelled while running", lines: [begin, started("a"), ["step_cancelled", "a", { attempt: 1 }]] },
    { why: "cancelled while blocked", lines: [begin, ["step_cancelled", "a"]] },
    {
      why: "a failure that a later success supersedes",
      lines: [begin, started("a"), failed("a"), started("a", 2), succeeded("a", 2)],
    },
    { why: "two steps at once", lines: [begin, started("a"), started("b"), succeeded("b"), succeeded("a")] },
    { why: "a step that waits", lines: [begin, started("a"), ["step_waiting", "a"], succeeded("a")] },
  ];
  for (const { why, lines } of logs)
    t.equal(
      refusalOf(() => checkLog(RUN_UID, logOf(lines))),
      undefined,
      why,
    );
});

t.test("each broken invariant is refused with its code, reason and place", async (t) => {
  const faults: readonly { why: string; lines: readonly Line[]; reason: string; seq: number }[] = [
    { why: "submitted twice", lines: [begin, begin], reason: "second_run_submitted", seq: 2 },
    {
      why: "kernel event after the end",
      lines: [begin, ended("run_failed"), skipped("a")],
      reason: "after_end",
      seq: 3,
    },
    { why: "ended twice", lines: [begin, ended("run_failed"), ended("run_failed")], reason: "after_end", seq: 3 },
    { why: "success without a start", lines: [begin, succeeded("a")], reason: "no_matching_start", seq: 2 },
    {
      why: "success of another attempt",
      lines: [begin, started("a"), succeeded("a", 2)],
      reason: "no_matching_start",
      seq: 3,
    },
    {
      why: "success of another lease",
      lines: [begin, started("a"), succeeded("a", 1, { lease_epoch: 9 })],
      reason: "no_matching_start",
      seq: 3,
    },
    {
      why: "success of another step",
      lines: [begin, started("a"), succeeded("b")],
      reason: "no_matching_start",
      seq: 3,
    },
    {
      why: "success twice",
      lines: [begin, started("a"), succeeded("a"), succeeded("a")],
      reason: "no_matching_start",
      seq: 4,
    },
    { why: "retry without a start", lines: [begin, retried("a", 1, 0)], reason: "no_matching_start", seq: 2 },
    { why: "loss without a start", lines: [begin, lost("a", 1)], reason: "no_matching_start", seq: 2 },
    {
      why: "failure of another attempt",
      lines: [begin, started("a"), failed("a", 2)],
      reason: "no_matching_start",
      seq: 3,
    },
    { why: "two attempts at once", lines: [begin, started("a"), started("a", 2)], reason: "attempt_open", seq: 3 },
    { why: "refused while it runs", lines: [begin, started("a"), refused("a")], reason: "attempt_open", seq: 3 },
    { why: "skipped while it runs", lines: [begin, started("a"), skipped("a")], reason: "attempt_open", seq: 3 },
    {
      why: "an attempt's number twice",
      lines: [begin, started("a"), lost("a", 1), started("a", 1)],
      reason: "attempt_number",
      seq: 4,
    },
    { why: "a first attempt numbered 2", lines: [begin, started("a", 2)], reason: "attempt_number", seq: 2 },
    {
      why: "a committed success runs again",
      lines: [begin, started("a"), succeeded("a"), started("a", 2)],
      reason: "started_after_success",
      seq: 4,
    },
    { why: "a start of no step", lines: [begin, ["step_started"]], reason: "no_step", seq: 2 },
    { why: "a start without numbers", lines: [begin, ["step_started", "a"]], reason: "malformed_attempt", seq: 2 },
    {
      why: "an attempt 0",
      lines: [begin, ["step_started", "a", { attempt: 0, lease_epoch: 1 }]],
      reason: "malformed_attempt",
      seq: 2,
    },
  ];
  for (const { why, lines, reason, seq } of faults) {
    t.match(
      refusalOf(() => checkLog(RUN_UID, logOf(lines))),
      { code: "INVALID_LOG", detail: { reason, seq } },
      why,
    );
  }
});

t.test("a gap, another run's event and a missing beginning have their own codes", async (t) => {
  const events = logOf([begin, started("a"), succeeded("a")]);
  const [first, second, third] = events;
  t.match(
    refusalOf(() =>
      checkLog(
        RUN_UID,
        [first, third].filter((event) => event !== undefined),
      ),
    ),
    {
      code: "INVALID_LOG",
      detail: { reason: "gap", seq: 3 },
    },
  );
  t.match(
    refusalOf(() =>
      checkLog(
        RUN_UID,
        [first, first].filter((event) => event !== undefined),
      ),
    ),
    {
      detail: { reason: "gap", seq: 1 },
    },
  );
  const other = "0199aaaa-0000-7000-8000-000000000002" as RunUid;
  t.equal(refusalOf(() => checkLog(other, events))?.code, "RUN_ID_MISMATCH");
  t.equal(refusalOf(() => checkLog(RUN_UID, []))?.code, "MISSING_RUN_SUBMITTED");
  t.equal(second && refusalOf(() => checkLog(RUN_UID, [{ ...second, seq: 1 }]))?.code, "MISSING_RUN_SUBMITTED");
});

t.test("an append is checked like a read: after what is there already", async (t) => {
  const events = logOf([begin, started("a"), succeeded("a"), succeeded("a")]);
  const check = makeLogCheck(RUN_UID);
  for (const event of events.slice(0, 3)) check(event);
  t.match(
    refusalOf(() => events[3] && check(events[3])),
    { code: "INVALID_LOG" },
  );
});
