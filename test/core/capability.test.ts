import t from "tap";
import { subjectUrn } from "../../src/core/capability.ts";
import type { RunUid, StepId, TenantUid } from "../../src/core/ids.ts";
import { ISOLATION_LEVELS, isAtLeast } from "../../src/core/isolation.ts";

const subject = (stepId: string, attempt = 1, runUid = "r") => ({
  tenantUid: "t" as TenantUid,
  runUid: runUid as RunUid,
  stepId: stepId as StepId,
  attempt,
});

t.test("no two subjects share a text, also where a step id holds the separator", async (t) => {
  t.equal(subjectUrn(subject("fetch", 2)), "urn:stepgate:t:r:fetch:2");
  t.equal(subjectUrn(subject("a:b#c")), "urn:stepgate:t:r:a%3Ab%23c:1");
  t.not(subjectUrn(subject("b:c", 1, "a")), subjectUrn(subject("c", 1, "a:b")));
  t.not(subjectUrn(subject("a:1", 1)), subjectUrn(subject("a", 11)));
});

t.test("an isolation level is at least every level below it and itself", async (t) => {
  for (const [given, level] of ISOLATION_LEVELS.entries())
    for (const [wanted, other] of ISOLATION_LEVELS.entries())
      t.equal(isAtLeast(level, other), given >= wanted, `${level} for ${other}`);
});
