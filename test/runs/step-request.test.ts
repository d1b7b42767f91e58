import t from "tap";
import { requestOf } from "../../src/runs/step-request.ts";
import type { StepSubmission } from "../../src/runs/step-submission.ts";
import { planOf, step } from "./plan-fixture.ts";
import { refusalOf } from "./refusal.ts";

const tenantDefault = { tokens: 1_000, usdMicros: 2_000 };
const specOf = (more: Partial<StepSubmission>) => {
  const [spec] = planOf([step("a", more)]).steps;
  if (spec === undefined) throw new Error("one step in, one step out");
  return spec;
};
const request = (more: Partial<StepSubmission>) => requestOf(specOf(more), tenantDefault);

t.test(
  "A12 hint, then cap, then estimate, then the tenant's default; tokens and money each on their own",
  async (t) => {
    const inputs = { token_estimate: 30, cost_estimate: "0.00003" };
    const policy = { budget: { tokens: 10, cost: "0.00001" } };
    const execution = { cost_hint: { tokens: 20, usd_micros: 20 } };
    t.same(request({ inputs, policy, execution }), { tokens: 20, usdMicros: 20 });
    t.same(request({ inputs, policy }), { tokens: 10, usdMicros: 10 });
    t.same(request({ inputs }), { tokens: 30, usdMicros: 30 });
    t.same(request({}), tenantDefault);
    t.same(request({ execution: { cost_hint: { tokens: 0 } }, policy: { budget: { cost: 1 } } }), {
      tokens: 0,
      usdMicros: 1_000_000,
    });
  },
);

t.test("an estimate that a patch has broken is refused, also where a hint wins", async (t) => {
  const spec = { ...specOf({ execution: { cost_hint: { tokens: 1 } } }), inputs: { token_estimate: "many" } };
  t.match(
    refusalOf(() => requestOf(spec, tenantDefault)),
    {
      code: "FIELD_INVALID",
      detail: { field: "/inputs/token_estimate" },
    },
  );
});
