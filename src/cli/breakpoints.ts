/**
 * How the command line names and shows a run's breakpoints.
 */
import { Argument } from "commander";
import type { Api } from "./api.ts";
import { alignColumns, type Terminal } from "./terminal.ts";
import { type BreakpointList, RunView } from "./wire.ts";

export const breakpointsPath = (run: string): string => `/v1/runs/${encodeURIComponent(run)}/breakpoints`;

/** What a breakpoint's value names; a word that is none is refused before anything is asked. */
export const targetArgument = (): Argument =>
  new Argument("<target>", "what the value names").choices(["step", "slug", "type"]);

export interface BreakpointAnswer {
  readonly run: string;
  readonly list: BreakpointList;
  readonly isJson: boolean;
}

/** Shows the breakpoints that are set, and where the run stands now if it does. */
export async function showBreakpoints(terminal: Terminal, api: Api, answer: BreakpointAnswer): Promise<void> {
  const { run, list, isJson } = answer;
  if (isJson) return terminal.line(JSON.stringify(list));
  const { items } = list;
  if (items.length === 0) terminal.line("no breakpoint is set");
  const rows = items.map(({ target, value }) => [target, value]);
  if (items.length > 0) for (const line of alignColumns([["TARGET", "VALUE"], ...rows])) terminal.line(line);
  const { active_pause: pause } = await api.get(`/v1/runs/${encodeURIComponent(run)}`, RunView);
  if (pause === undefined) return;
  const place = pause.step_id === undefined ? "" : ` before step ${pause.step_id}`;
  // never cut: its end is a command to copy
  terminal.write(`the run stands${place} since ${pause.started_at}: npx stepgate breakpoint continue ${run}\n`);
}
