/**
 * Acceptance cases with two worker processes over one PostgreSQL, on each server; what they are stands beside this file.
 *
 * Each worker may have one dollar in flight: two steps that ask for a dollar each are never in the same hands.
 */
import t from "tap";
import { forEachDatabase } from "../storage/test-database.ts";
import { interleavingCases } from "./budget-interleavings.ts";
import { runCases, startTwoWorkers } from "./two-workers.ts";
import { billCases } from "./two-workers-bills.ts";
import { budgetCases } from "./two-workers-budgets.ts";
import { stepCases } from "./two-workers-steps.ts";

const ENV = {
  STEPGATE_MAX_IN_FLIGHT_USD: "1.0",
  STEPGATE_REAPER_INTERVAL_MS: "100",
};

// fifteen cases on each server
t.setTimeout(600_000);

t.test("two worker processes", async (t) => {
  await forEachDatabase(t, async (t, database) => {
    const two = await startTwoWorkers(t, database, ENV);
    await runCases(t, two, { ...interleavingCases, ...stepCases, ...budgetCases, ...billCases });
  });
});
