/**
 * `stepgate retention show`: what the tenant keeps, window by window, why it stays and when it goes.
 */
import { findTarget, makeApi } from "../api.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { alignColumns, type Terminal } from "../terminal.ts";
import { RetentionView } from "../wire.ts";

export const addRetentionShow: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("show"))
    .description("show what is kept by window of history, why it stays, and when it goes")
    .addHelpText("after", "\nExample:\n  npx stepgate retention show\n")
    .action(async ({ json, ...target }: TargetOptions) => {
      const api = makeApi(await findTarget(readConfig(around), target));
      const view = await api.get("/v1/retention", RetentionView);
      if (json === true) around.terminal.line(JSON.stringify(view));
      else showRetention(around.terminal, view);
    });
};

function showRetention(
  terminal: Terminal,
  { is_on: isOn, retention_days: days, decision_input_days: inputDays, retired, windows }: RetentionView,
): void {
  const last = retired.last_at === undefined ? "" : `, the last at ${retired.last_at}`;
  terminal.line(`ended runs are kept ${days} days; ${retired.runs} have gone${last}`);
  if (inputDays < days) terminal.line(`what packs were shown in them is kept ${inputDays} days`);
  if (!isOn) terminal.line(terminal.paint("red", "nothing goes: STEPGATE_RETENTION is off"));
  if (windows.length === 0) terminal.line("no run is kept");
  const rows = windows.map((window) => [
    window.ends_at === undefined ? "older, kept" : `until ${window.ends_at.slice(0, 10)}`,
    String(window.runs),
    String(window.due),
    whyKept(window),
    dueOf(window),
  ]);
  if (rows.length === 0) return;
  for (const line of alignColumns([["SUBMITTED", "RUNS", "DUE NOW", "STAY", "GO"], ...rows])) terminal.line(line);
}

function whyKept({ unfinished, linked, unsealed, undelivered, retained }: RetentionView["windows"][number]): string {
  const reasons = [
    [unfinished, "unfinished"],
    [linked, "forked from"],
    [unsealed, "not sealed"],
    [undelivered, "not delivered"],
    [retained, "by obligation"],
  ] as const;
  const told = reasons.filter(([runs]) => runs > 0).map(([runs, why]) => `${runs} ${why}`);
  return told.length === 0 ? "-" : told.join(", ");
}

function dueOf({ first_due_at: first, last_due_at: last }: RetentionView["windows"][number]): string {
  if (first === undefined || last === undefined) return "-";
  const [from, to] = [first.slice(0, 10), last.slice(0, 10)];
  return from === to ? from : `${from} to ${to}`;
}
