/**
 * Reading runs: one, a page, their events, and being told that something changed.
 *
 * Everything is read by tenant; a run of another one is undefined like one that never was. Not here: writing.
 */
import { StepgateError } from "../core/errors.ts";
import { type RunUid, type TenantUid, UUID_PATTERN } from "../core/ids.ts";
import { isJsonObject } from "../core/json.ts";
import { pageOfRows } from "../core/page-of-rows.ts";
import { parseJson } from "../core/parse-json.ts";
import { isRunEnded, RUN_STATES } from "../core/state.ts";
import type { StoredBlob } from "../core/vault.ts";
import type { RunRef, RunRow, RunStore } from "./ports.ts";
import { viewEvent, viewRun, viewRunHead } from "./view-run.ts";

export interface ReadRunDeps {
  readonly store: RunStore;
  readonly open: (blob: StoredBlob) => Promise<string>;
}

export function makeRunReader({ store, open }: ReadRunDeps) {
  const labelsOf = async (tenantUid: TenantUid, run: RunRow): Promise<Readonly<Record<string, string>> | undefined> => {
    const blob = run.labelsBlob === undefined ? undefined : await store.readBlob(tenantUid, run.labelsBlob);
    if (blob === undefined) return undefined;
    const labels = parseJson(await open(blob));
    return isJsonObject(labels) ? (labels as Readonly<Record<string, string>>) : undefined;
  };
  return {
    find: (tenantUid: TenantUid, ref: RunRef) => store.find(tenantUid, ref),
    get: async (tenantUid: TenantUid, ref: RunRef) => {
      const run = await store.find(tenantUid, ref);
      if (run === undefined) return undefined;
      const [steps, labels] = await Promise.all([store.steps(tenantUid, run.runUid), labelsOf(tenantUid, run)]);
      return viewRun(run, steps, labels);
    },
    list: async (input: {
      readonly tenantUid: TenantUid;
      readonly status: string | undefined;
      readonly after: string | undefined;
      readonly limit: number;
    }) => {
      if (input.status !== undefined && !(RUN_STATES as readonly string[]).includes(input.status)) {
        throw new StepgateError("FIELD_INVALID", { field: "/querystring/status" });
      }
      const after = input.after === undefined ? undefined : readCursor(input.after);
      const { rows, ...next } = await pageOfRows(
        input.limit,
        (mostRows) => store.list({ ...input, after, limit: mostRows }),
        ({ submittedAtUs, runUid }) => `${submittedAtUs}.${runUid}`,
      );
      return { items: rows.map(viewRunHead), ...next };
    },
    events: async (input: {
      readonly tenantUid: TenantUid;
      readonly ref: RunRef;
      readonly afterSeq: number;
      readonly limit: number;
    }) => {
      // the head is read first: an event appended in between is in the page or is asked for next, never missed
      const run = await store.find(input.tenantUid, input.ref);
      if (run === undefined) return undefined;
      const events = await store.events({
        tenantUid: input.tenantUid,
        runUid: run.runUid,
        afterSeq: input.afterSeq,
        limit: input.limit,
      });
      const lastSeq = events.at(-1)?.seq ?? input.afterSeq;
      const isComplete = isRunEnded(run.status) && run.sealRecord !== undefined && lastSeq >= run.headSeq;
      return {
        items: events.map((event) => viewEvent(event, run.traceparent)),
        next_after: lastSeq,
        ...(isComplete && run.sealRecord !== undefined
          ? { end: { run_uid: run.runUid, status: run.status, seal_record_id: run.sealRecord } }
          : {}),
      };
    },
  };
}

const CURSOR = new RegExp(`^([0-9]{1,16})\\.(${UUID_PATTERN.slice(1, -1)})$`);

/** `<microseconds>.<run uid>`: where the page before ended. @throws {StepgateError} FIELD_INVALID for any other text. */
function readCursor(cursor: string): { readonly submittedAtUs: number; readonly runUid: RunUid } {
  const [, time, uid] = CURSOR.exec(cursor) ?? [];
  if (time === undefined || uid === undefined)
    throw new StepgateError("FIELD_INVALID", { field: "/querystring/after" });
  return { submittedAtUs: Number(time), runUid: uid as RunUid };
}
