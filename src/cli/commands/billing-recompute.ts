/**
 * `stepgate billing recompute`: adds the bills of days up again from the ledger and shows where they differ.
 *
 * Exit 0 when every bill equals its ledger, 1 when one does not.
 */
import { findTarget, makeApi } from "../api.ts";
import { type AddCommand, EXIT, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { alignColumns, type Terminal } from "../terminal.ts";
import { BillingView } from "../wire.ts";

interface Options extends TargetOptions {
  readonly from?: string;
  readonly to?: string;
}

export const addBillingRecompute: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("recompute"))
    .description("add bills up again from the ledger; exit 1 when one differs")
    .option("--from <day>", "first day, as 2026-11-01 in UTC (default: 30 days before the last)")
    .option("--to <day>", "last day (default: today)")
    .addHelpText("after", "\nExample:\n  npx stepgate billing recompute --from 2026-11-01\n")
    .action(async ({ json, from, to, ...target }: Options) => {
      const api = makeApi(await findTarget(readConfig(around), target));
      const query = new URLSearchParams({
        ...(from === undefined ? {} : { from }),
        ...(to === undefined ? {} : { to }),
      });
      const billing = await api.get(`/v1/billing?${query}`, BillingView);
      if (json === true) around.terminal.line(JSON.stringify(billing));
      else showBilling(around.terminal, billing);
      around.exitWith(billing.is_equal ? EXIT.done : EXIT.failed);
    });
};

function showBilling(terminal: Terminal, billing: BillingView): void {
  const { from, to, days, is_equal: isEqual, ledger_from: ledgerFrom } = billing;
  const rows = days.map(({ day, billed, ledger, is_equal: isSame }) => [
    day,
    String(ledger.attempts),
    String(ledger.tokens),
    String(ledger.usd_micros),
    isSame
      ? "equal"
      : `differs: billed ${billed.attempts} attempts, ${billed.tokens} tokens, ${billed.usd_micros} micro-USD`,
  ]);
  if (rows.length > 0)
    for (const line of alignColumns([["DAY", "ATTEMPTS", "TOKENS", "MICRO-USD", "BILL"], ...rows])) terminal.line(line);
  if (ledgerFrom !== undefined && ledgerFrom > from)
    terminal.line(
      `days before ${ledgerFrom} are not compared: of their runs, some have gone (stepgate retention show)`,
    );
  const end = isEqual ? "every bill equals its ledger" : "a bill differs from its ledger";
  terminal.line(terminal.paint(isEqual ? "green" : "red", `${from} to ${to}: ${end}`));
}
