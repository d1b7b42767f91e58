import t from "tap";
import type { StepId } from "../../src/core/ids.ts";
import type { StepState } from "../../src/core/state.ts";
import { forkPlan } from "../../src/runs/fork-plan.ts";
import { manifestPlan } from "../../src/runs/manifest.ts";
import { normalizeSubmission } from "../../src/runs/normalize-submission.ts";
import { refusalOf } from "./refusal.ts";

// a → b → c, x → c, c → d; b has a compensation
const plan = manifestPlan(
  normalizeSubmission({
    steps: [
      { id: "a", type: "noop", inputs: {} },
      { id: "b", type: "noop", inputs: {}, execution: { compensation: { step: "undo_b" } } },
      { id: "undo_b", type: "noop", inputs: {} },
      { id: "x", type: "noop", inputs: {} },
      { id: "c", type: "noop", inputs: {} },
      { id: "d", type: "noop", inputs: {} },
    ],
    edges: [
      ["a", "b"],
      ["b", "c"],
      ["x", "c"],
      ["c", "d"],
    ],
  }).plan ?? { steps: [], edges: [] },
);
const ENDED: Readonly<Record<string, StepState>> = {
  a: "succeeded",
  b: "failed",
  undo_b: "failed",
  x: "succeeded",
  c: "skipped",
  d: "skipped",
};
const cut = (from: string, more?: Readonly<Record<string, StepState>>) => {
  const {
    plan: kept,
    takenOver,
    compensated,
  } = forkPlan(plan, from as StepId, (id) => ({ ...ENDED, ...more })[id as string]);
  return { steps: kept.steps.map(({ id }) => id), edges: kept.edges, takenOver, compensated };
};

t.test(
  "a fork runs the step, all that depends on it and their compensations; what succeeded before is taken over",
  async (t) => {
    t.same(cut("b"), {
      steps: ["b", "undo_b", "c", "d"],
      edges: [
        ["b", "c"],
        ["c", "d"],
      ],
      takenOver: ["a", "x"],
      compensated: undefined,
    });
    t.same(cut("d", { c: "succeeded" }), { steps: ["d"], edges: [], takenOver: ["c"], compensated: undefined });
  },
);

t.test("a compensation is forked alone, as an ordinary step that takes its origin's values", async (t) => {
  t.same(cut("undo_b"), { steps: ["undo_b"], edges: [], takenOver: ["b"], compensated: "b" });
});

t.test("a fork is refused where it could not run", async (t) => {
  t.match(
    refusalOf(() => cut("b", { x: "failed" })),
    { code: "STATE_CONFLICT", detail: { step: "c", needs: "x" } },
  );
  t.match(
    refusalOf(() => cut("nobody")),
    { code: "NOT_FOUND" },
  );
});
