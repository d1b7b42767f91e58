import t from "tap";
import { limitText } from "../../src/cli/limit-text.ts";

t.test("a limit is told with what was asked, what is left of it, and when it resets", async (t) => {
  const quota = { quota: "daily", unit: "tokens", limit: 100, used: 50, reserved: 10, requested: 60 };
  const cases = [
    {
      detail: { which: "tokens", limit: 50, used: 7, reserved: 0, requested: 60 },
      text: "asks for 60 tokens, 43 of 50 are left",
    },
    {
      detail: { ...quota, resets_at_ms: Date.UTC(2026, 0, 3) },
      text: "asks for 60 tokens, 40 of 100 are left in quota daily, which resets 2026-01-03T00:00:00.000Z",
    },
    { detail: quota, text: "asks for 60 tokens, 40 of 100 are left in quota daily, which never resets" },
    {
      detail: { which: "usd_micros", limit: 1_500_000, used: 2_000_000, reserved: 0, requested: 250_000 },
      text: "asks for $0.25, none of $1.5 is left",
    },
    {
      detail: { which: "step_tokens", limit: 10, requested: 20 },
      text: "asks for 20 tokens, more than the 10 tokens of its policy.budget",
    },
    {
      detail: { which: "tokens", limit: 10, used: 0, reserved: 0, requested: 0, reason: "uncapped" },
      text: "may spend any tokens, of which there is a limit: give a cost_hint",
    },
  ];
  for (const { detail, text } of cases) t.equal(limitText(detail), text);
});
