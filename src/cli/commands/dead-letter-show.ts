/**
 * `stepgate dead-letter show`: what was attempted of one failed step, why it ended, and what to do next.
 *
 * Attempts are told by their signed records, which hold codes and counts and no payload.
 */
import { usdText } from "../../core/amount.ts";
import { type Api, findTarget, makeApi } from "../api.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type CommandFor, commandFor, type TargetOptions } from "../target-options.ts";
import { alignColumns, type Terminal } from "../terminal.ts";
import { DeadLetterView, RecordView, RunView } from "../wire.ts";

interface Attempt {
  readonly attempt: number;
  readonly status: string;
  readonly error_kind?: string;
  /** The executor's own. */
  readonly code?: string;
  readonly tool?: string;
  readonly tokens: number;
  readonly usd_micros: number;
  readonly ended_at: string;
  readonly record_id: string;
}

export const addDeadLetterShow: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("show <run> <step>"))
    .description("show one failed step: what was attempted, why it ended, what to do next")
    .addHelpText("after", "\nExample:\n  npx stepgate dead-letter show <run id> update_crm\n")
    .action(async (id: string, step: string, { json, ...target }: TargetOptions) => {
      const { terminal } = around;
      const api = makeApi(await findTarget(readConfig(around), target));
      const path = `${encodeURIComponent(id)}/${encodeURIComponent(step)}`;
      const letter = await api.get(`/v1/dead-letters/${path}`, DeadLetterView);
      const attempts = await readAttempts(api, letter);
      if (json === true) return terminal.line(JSON.stringify({ ...letter, attempts }));
      showLetter(terminal, { letter, attempts, command: commandFor(target) });
    });
};

/** Those whose end was recorded, in order. */
async function readAttempts(api: Api, letter: DeadLetterView): Promise<readonly Attempt[]> {
  const run = await api.get(`/v1/runs/${letter.run_uid}`, RunView);
  const ids = run.steps.find(({ id }) => id === letter.step_id)?.record_ids ?? [];
  const records = await Promise.all(ids.map((id) => api.get(`/v1/records/${id}`, RecordView)));
  return records.flatMap(({ record_id: recordId, kind, created_at: endedAt, record }) => {
    const { step, status, error, tool, usage } = record.predicate;
    if (kind !== "outcome" || status === undefined || step === undefined) return [];
    return {
      attempt: step.attempt,
      status,
      ...(error === undefined ? {} : { error_kind: error.kind }),
      ...(error?.code === undefined ? {} : { code: error.code }),
      ...(tool === undefined ? {} : { tool: `${tool.name} version ${tool.version}` }),
      tokens: usage?.tokens ?? 0,
      usd_micros: usage?.usd_micros ?? 0,
      ended_at: endedAt,
      record_id: recordId,
    };
  });
}

interface Shown {
  readonly letter: DeadLetterView;
  readonly attempts: readonly Attempt[];
  readonly command: CommandFor;
}

function showLetter(terminal: Terminal, { letter, attempts, command }: Shown): void {
  const { run_uid: run, run_id: runId, step_id: step, reasons } = letter;
  terminal.line(`step ${step} of run ${run}${runId === undefined ? "" : ` (${runId})`} · ${letter.type}`);
  const why = [...new Set([letter.error_kind, ...reasons])].join(", ");
  terminal.line(`  died      ${why} · after attempt ${letter.attempt} · ${letter.ended_at}`);
  const rows = attempts.map(({ attempt, status, error_kind: kind = "", code = "", tool = "", ...made }) => [
    `  attempt ${attempt}`,
    status,
    [kind, code].filter((part) => part !== "").join(", "),
    tool,
    `${made.tokens} tokens`,
    `$${usdText(made.usd_micros)}`,
    made.ended_at,
  ]);
  for (const line of alignColumns(rows)) terminal.line(line);
  // never cut: commands to copy
  for (const line of adviceOn(letter, command)) terminal.write(`  next      ${line}\n`);
}

/** What to do, the most careful first. */
function adviceOn(letter: DeadLetterView, command: CommandFor): readonly string[] {
  const { run_uid: run, step_id: step, redriven_as: redrivenAs } = letter;
  if (redrivenAs !== undefined) return [`it was redriven: ${command(`run watch ${redrivenAs}`)}`];
  const isInDoubt = letter.error_kind === "lease_exhausted";
  return [
    ...(letter.is_compensation ? ["it was to undo another step: look whether that effect is still there"] : []),
    ...(isInDoubt ? ["its worker was lost: look whether its effect is there before it is done again"] : []),
    command(`run get ${run} --why ${step}`),
    `${command(`dead-letter redrive ${run} ${step} --watch`)}, with --inputs <file> if they were at fault`,
  ];
}
