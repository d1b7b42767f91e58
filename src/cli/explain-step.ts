/**
 * `--why`: who decided a step, at which stage, by which rule, and which signed record says so.
 *
 * In: the run and the step's records, read over the API. Out: a few lines. Values are never shown, since records hold none.
 */
import { readdir, readFile } from "node:fs/promises";
import { StepgateError } from "../core/errors.ts";
import { isJsonObject } from "../core/json.ts";
import { parseJson } from "../core/parse-json.ts";
import type { Api } from "./api.ts";
import { waitLine } from "./approvals.ts";
import { showWaits } from "./explain-wait.ts";
import { isOverLimit, limitText } from "./limit-text.ts";
import { type Data, dataOf } from "./read-data.ts";
import type { Surroundings } from "./surroundings.ts";
import type { CommandFor } from "./target-options.ts";
import { type Evaluation, EventPage, RecordView, type RunView, WaitView } from "./wire.ts";

interface Question {
  readonly api: Api;
  readonly run: RunView;
  readonly stepId: string;
  readonly command: CommandFor;
  readonly json: boolean;
}

const PACKS = new URL("../../policies/packs/", import.meta.url);

/** @throws {StepgateError} NOT_FOUND when the run has no such step. */
export async function explainStep(
  { terminal }: Surroundings,
  { api, run, stepId, command, json }: Question,
): Promise<void> {
  const step = run.steps.find(({ id }) => id === stepId);
  if (step === undefined) throw new StepgateError("NOT_FOUND", { step: stepId, run: run.run_uid });
  const records = await Promise.all(step.record_ids.map((id) => api.get(`/v1/records/${id}`, RecordView)));
  const waits = await api.get(`/v1/runs/${run.run_uid}/steps/${encodeURIComponent(stepId)}/waits`, WaitView);
  const limit = isOverLimit(step.error_kind) ? await refusedLimit(api, run, stepId) : undefined;
  if (json) return terminal.write(`${JSON.stringify({ step, records, waits: waits.waits, limit })}\n`);
  const outcome = [step.status, step.error_kind ?? ""].filter((part) => part !== "").join(", ");
  terminal.line(
    `step ${step.id} of run ${run.run_uid}: ${outcome}${step.attempt === 0 ? ", before anything ran" : ""}`,
  );
  const { approval } = step;
  if (approval !== undefined) {
    const { approval_id: id, role, expires_at: expiresAt } = approval;
    terminal.write(`  waits     ${waitLine({ id, role, expiresAt }).replace(/^waits /, "")}\n`);
  }
  const others = approval === undefined ? waits : { ...waits, waits: othersOf(waits) };
  showWaits(terminal, others, { run: run.run_uid, type: step.type, command });
  if (limit !== undefined) terminal.line(`  limit     ${limitText(limit)}`);
  if (records.length === 0 && waits.waits.length === 0)
    terminal.line(`  reason    ${step.reasons.join(", ") || "it has not been decided yet"}`);
  const texts = await reasonTexts();
  for (const record of records) {
    const { predicate } = record.record;
    terminal.line(`  record    ${record.record_id} (${record.kind}) · batch ${record.inclusion.batch_id}`);
    const { tool } = predicate;
    if (tool !== undefined) terminal.line(`  tool      ${tool.name} version ${tool.version} · sha256 ${tool.digest}`);
    const { error } = predicate;
    if (error !== undefined) {
      const how = [...new Set([predicate.status ?? "failed", error.kind, error.code ?? error.kind])].join(", ");
      terminal.line(`  ended     attempt ${predicate.step?.attempt ?? 1}: ${how}`);
    }
    if (predicate.error_kind !== undefined)
      terminal.line(
        `  refused   ${predicate.error_kind} at ${predicate.stage ?? "execute"}: ${(predicate.reasons ?? []).join(", ")}`,
      );
    for (const evaluation of decisive(predicate.evaluations ?? [])) {
      const { stage, boundary, effect, pack, patch_paths: paths, duration_us: durationUs } = evaluation;
      terminal.line(`  stage     ${stage} · boundary ${boundary} · ${effect}`);
      for (const reason of evaluation.reasons) {
        terminal.line(`  rule      ${pack.id}  ${reason}`);
        const text = texts.get(reason);
        if (text !== undefined) terminal.line(terminal.paint("dim", `            "${text}"`));
      }
      if (paths.length > 0) terminal.line(`  where     ${paths.join(", ")}`);
      terminal.line(
        `  pack      ${pack.id} ${pack.version} · sha256 ${pack.digest} · ${(durationUs / 1000).toFixed(2)} ms`,
      );
    }
  }
  const last = step.record_ids.at(-1);
  if (last !== undefined)
    terminal.line(
      terminal.paint(
        "dim",
        `  verify    GET /v1/records/${last} > record.json; npx stepgate verify record.json --record --trust .stepgate/keys/trust.json`,
      ),
    );
}

/** What else it waits for beside the approval that is shown already. */
function othersOf({ waits }: WaitView): WaitView["waits"] {
  return waits.filter(({ reason }) => reason !== "approval");
}

/** Which limit refused the step last, what was left of it and when it resets: it stands in the run's log alone. */
async function refusedLimit(api: Api, { run_uid: run }: RunView, stepId: string): Promise<Data | undefined> {
  let limit: Data | undefined;
  for (let after = 0; ; ) {
    const { items } = await api.get(`/v1/runs/${run}/events?limit=500&after=${after}`, EventPage);
    for (const { seq, type, step_id: id, data } of items) {
      after = seq;
      if (type === "step_refused" && id === stepId) limit = dataOf(data, "detail");
    }
    if (items.length === 0) return limit;
  }
}

/** Those that did something; all of them when none did. */
function decisive(evaluations: readonly Evaluation[]): readonly Evaluation[] {
  const told = evaluations.filter(({ effect }) => effect !== "allow");
  return told.length > 0 ? told : evaluations;
}

/** Reason code → its sentence, from the manifests of the packs in this copy; a pack from elsewhere has none here. */
async function reasonTexts(): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>();
  for (const name of await readdir(PACKS).catch(() => [])) {
    const bytes = await readFile(new URL(`${name}/manifest.json`, PACKS)).catch(() => undefined);
    const manifest = bytes === undefined ? undefined : parseJson(bytes);
    const reasons = isJsonObject(manifest) ? manifest["reasons"] : undefined;
    if (!isJsonObject(reasons)) continue;
    for (const [code, text] of Object.entries(reasons)) if (typeof text === "string") texts.set(code, text);
  }
  return texts;
}
