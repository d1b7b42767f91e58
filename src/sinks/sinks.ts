/**
 * Sinks as operators set and see them: where events go, what waits, what died, and sending it again.
 *
 * In: a caller and what it asks. Out: views without secrets; a secret leaves once. A host must have been approved by the
 * platform, in the tenant's settings. Not here: HTTP, rows, delivering (publisher.ts).
 */
import { StepgateError } from "../core/errors.ts";
import type { EventType } from "../core/event.ts";
import { type Ids, type RunUid, type TenantUid, UUID_PATTERN } from "../core/ids.ts";
import { pageOfRows } from "../core/page-of-rows.ts";
import type { TextVault } from "../core/vault.ts";
import { hostPortOf, hostPortText } from "../executors/http/host-port.ts";
import { type ApprovedHosts, isApproved } from "./approved-hosts.ts";
import type { Backlog, DeadLetterRow, SinkRow, SinkStore, WaitingRow } from "./ports.ts";
import { makeWebhookSecret, readSecrets, rotateSecret, writeSecrets } from "./webhook-secret.ts";

export interface SinkDeps {
  readonly store: SinkStore;
  readonly vault: TextVault;
  readonly ids: Pick<Ids, "random">;
  readonly nowMs: () => number;
  /** What the platform lets the tenant's sinks reach, as it stands now. */
  readonly approvedHosts: (tenantUid: TenantUid) => Promise<ApprovedHosts>;
}

export interface SinkSubmission {
  readonly url: string;
  readonly events?: readonly EventType[];
  readonly is_paused: boolean;
}

interface Caller {
  readonly keyId: string;
  readonly tenantUid: TenantUid;
}

interface OfSink {
  readonly caller: Caller;
  readonly name: string;
}

interface Page {
  readonly after: string | undefined;
  readonly limit: number;
}

/** How long the secret before stays good, so that receivers can change theirs meanwhile. */
const OVERLAP_MS = 86_400_000;

/** Makes the use cases. They throw {StepgateError} FIELD_INVALID, SINK_HOST_NOT_APPROVED, STATE_CONFLICT. */
export function makeSinks(deps: SinkDeps) {
  const { store, ids } = deps;
  const get = async ({ caller: { tenantUid }, name }: OfSink) => {
    const [row, approved] = await Promise.all([store.get(tenantUid, name), deps.approvedHosts(tenantUid)]);
    return row && viewSink(row, approved);
  };
  const seal = (tenantUid: TenantUid, name: string, text: string) => deps.vault.seal({ tenantUid, name }, text);
  return {
    list: async ({ caller, after, limit }: Page & { readonly caller: Caller }) => {
      const { tenantUid } = caller;
      const read = (mostRows: number) => store.list(tenantUid, after, mostRows);
      const [{ rows, ...next }, approved] = await Promise.all([
        pageOfRows(limit, read, ({ name }) => name),
        deps.approvedHosts(tenantUid),
      ]);
      return { items: rows.map((row) => viewSink(row, approved)), ...next };
    },
    get,
    put: async ({ caller, name, submission }: OfSink & { readonly submission: SinkSubmission }) => {
      const { tenantUid } = caller;
      const { url, events, is_paused: isPaused } = submission;
      refuseUnapproved(url, await deps.approvedHosts(tenantUid));
      const current = makeWebhookSecret(ids.random);
      const secret = await seal(tenantUid, name, writeSecrets({ current, previous: undefined }));
      const actor = `key:${caller.keyId}`;
      const { isNew } = await store.put({ tenantUid, name, url, eventTypes: events, isPaused, secret, actor });
      const sink = await get({ caller, name });
      if (sink === undefined)
        throw new StepgateError("INTERNAL", { reason: "a sink that was just written is not there" });
      return { sink: { ...sink, ...(isNew ? { secret: current } : {}) }, isNew };
    },
    rotate: async ({ caller, name }: OfSink) => {
      const { tenantUid } = caller;
      const row = await store.find(tenantUid, name);
      if (row === undefined) return undefined;
      const { version } = row;
      const untilMs = deps.nowMs() + OVERLAP_MS;
      const fresh = makeWebhookSecret(ids.random);
      const secrets = rotateSecret(readSecrets(await deps.vault.open({ tenantUid, name }, row.secret)), fresh, untilMs);
      const secret = await seal(tenantUid, name, writeSecrets(secrets));
      if (!(await store.putSecret({ tenantUid, name, version, secret, actor: `key:${caller.keyId}` }))) {
        if ((await store.find(tenantUid, name)) === undefined) return undefined;
        // of two rotations at once the second would end the overlap of a secret that receivers still have
        throw new StepgateError("STATE_CONFLICT", { sink: name, reason: "it was changed meanwhile" });
      }
      return { name, secret: fresh, previous_until: time(untilMs) };
    },
    remove: async ({ caller, name }: OfSink): Promise<true | undefined> =>
      (await store.remove({ tenantUid: caller.tenantUid, name, actor: `key:${caller.keyId}` })) ? true : undefined,
    waiting: async ({ caller, name, after, limit }: OfSink & Page) => {
      if (after !== undefined && !RUN_UID.test(after)) throw cursorInvalid();
      if ((await store.find(caller.tenantUid, name)) === undefined) return undefined;
      const place = { tenantUid: caller.tenantUid, name, after: after as RunUid | undefined };
      const read = (mostRows: number) => store.waiting({ ...place, limit: mostRows });
      const { rows, ...next } = await pageOfRows(limit, read, ({ runUid }) => runUid);
      return { items: rows.map(viewWaiting), ...next };
    },
    deadLetters: async ({ caller, name, after, limit }: OfSink & Page) => {
      const place = after === undefined ? undefined : readCursor(after);
      if ((await store.find(caller.tenantUid, name)) === undefined) return undefined;
      const { rows, ...next } = await pageOfRows(
        limit,
        (mostRows) => store.deadLetters({ tenantUid: caller.tenantUid, name, after: place, limit: mostRows }),
        ({ runUid, seq }) => `${runUid}.${seq}`,
      );
      return { items: rows.map(viewLetter), ...next };
    },
    redrive: async ({ caller, name, runUid }: OfSink & { readonly runUid: RunUid | undefined }) => {
      const { tenantUid } = caller;
      if ((await store.find(tenantUid, name)) === undefined) return undefined;
      return { redriven: await store.redrive({ tenantUid, name, runUid, actor: `key:${caller.keyId}` }) };
    },
  };
}

/** A URL that can be read, whose host the platform let this tenant's sinks reach. */
function refuseUnapproved(text: string, approved: ApprovedHosts): void {
  if (!URL.canParse(text)) throw new StepgateError("FIELD_INVALID", { field: "/url", reason: "not a URL" });
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:")
    throw new StepgateError("FIELD_INVALID", { field: "/url", reason: "neither https nor http" });
  if (url.username !== "" || url.password !== "")
    throw new StepgateError("FIELD_INVALID", { field: "/url", reason: "a user in a URL" });
  if (!isApproved(url, approved))
    throw new StepgateError("SINK_HOST_NOT_APPROVED", { host: hostPortText(hostPortOf(url)) });
}

function viewSink(row: SinkRow & Backlog, approved: ApprovedHosts) {
  return {
    name: row.name,
    url: row.url,
    ...(row.eventTypes === undefined ? {} : { events: row.eventTypes }),
    is_paused: row.isPaused,
    is_approved: URL.canParse(row.url) && isApproved(new URL(row.url), approved),
    version: row.version,
    created_at: time(row.createdAtMs),
    waiting_runs: row.waitingRuns,
    dead_letters: row.deadLetters,
  };
}

function viewWaiting(row: WaitingRow) {
  return {
    run_uid: row.runUid,
    done_seq: row.doneSeq,
    head_seq: row.headSeq,
    attempts: row.attempts,
    ...(row.fault === undefined ? {} : { fault: row.fault }),
    next_try_at: time(row.notBeforeMs),
  };
}

function viewLetter(row: DeadLetterRow) {
  return {
    run_uid: row.runUid,
    seq: row.seq,
    event: row.eventType,
    attempts: row.attempts,
    fault: row.fault,
    died_at: time(row.diedAtMs),
    ...(row.redriveAtMs === undefined ? {} : { redrive_at: time(row.redriveAtMs) }),
  };
}

function time(ms: number): string {
  return new Date(ms).toISOString();
}

const RUN_UID = new RegExp(UUID_PATTERN);
const CURSOR = new RegExp(`^(${UUID_PATTERN.slice(1, -1)})\\.([1-9][0-9]{0,14})$`);

/** `<run uid>.<seq>`. @throws {StepgateError} FIELD_INVALID for any other text. */
function readCursor(cursor: string): { readonly runUid: RunUid; readonly seq: number } {
  const [, runUid, seq] = CURSOR.exec(cursor) ?? [];
  if (runUid === undefined) throw cursorInvalid();
  return { runUid: runUid as RunUid, seq: Number(seq) };
}

function cursorInvalid(): StepgateError {
  return new StepgateError("FIELD_INVALID", { field: "/querystring/after" });
}
