/**
 * Settings of the gate: this worker's in-flight ceilings, and the fail point of tests (spec 03, 08).
 *
 * A ceiling that is 0 or does not parse stops the start. Not here: budgets and quotas, which are the tenants'.
 */
import { FAIL_POINTS } from "../../core/fail-point.ts";
import { integer, oneOf, usd } from "../parsers.ts";
import { optionalSetting, setting } from "../setting.ts";

export const gateSettings = {
  maxInFlightTokens: optionalSetting({
    key: "STEPGATE_MAX_IN_FLIGHT_TOKENS",
    about: "Most tokens that this worker's steps hold at once. Unset: no ceiling.",
    form: integer(1),
  }),
  maxInFlightUsdMicros: optionalSetting({
    key: "STEPGATE_MAX_IN_FLIGHT_USD",
    about: "Most money that this worker's steps hold at once. Unset: no ceiling.",
    form: usd,
  }),
  backpressureDelayMs: setting({
    key: "STEPGATE_BACKPRESSURE_DELAY_MS",
    about: "How long a step waits at least that found no room below a ceiling, a quota or a limit of its key.",
    default: "50",
    form: integer(1, 60_000),
  }),
  signatureMemo: setting({
    key: "STEPGATE_SIGNATURE_MEMO",
    about: "How many good signatures of own tokens are remembered; 0 checks each one every time.",
    default: "4096",
    form: integer(0, 1_000_000),
  }),
  failPoint: optionalSetting({
    key: "STEPGATE_FAIL_POINT",
    about: "For tests: where the process kills itself, once.",
    form: oneOf(FAIL_POINTS),
  }),
} as const;
