/**
 * API keys: whose key it is, and making, listing and revoking them (spec 09, tenants and principals).
 *
 * In: a bearer text or a caller. Out: the holder, or views without secrets; a secret leaves once. Not here: HTTP, rows.
 */
import { timingSafeEqual } from "node:crypto";
import { StepgateError } from "../core/errors.ts";
import type { TenantUid } from "../core/ids.ts";
import { pageOfRows } from "../core/page-of-rows.ts";
import { shareReads } from "../core/share-reads.ts";
import type { ApiKeyRow, ApiKeyStore, TenantStore } from "./ports.ts";

export interface ApiKeyDeps<Role extends string> {
  /** Every role there is; what a row holds beside them grants nothing. */
  readonly roles: readonly Role[];
  readonly store: ApiKeyStore;
  readonly tenants: Pick<TenantStore, "find">;
  /** A new key text, and the id and hash of one (evidence/api-key.ts). */
  readonly makeKey: () => string;
  readonly hashKey: (key: string) => { readonly keyId: string; readonly secretHash: Uint8Array };
  readonly nowMs: () => number;
  readonly onTouchFailed: (caught: unknown) => void;
}

interface Caller {
  readonly keyId: string;
  readonly roles: readonly string[];
  readonly tenantUid: TenantUid;
  readonly tenantId: string;
  readonly isInstanceWide: boolean;
}

export interface KeySubmission {
  readonly owner: string;
  readonly roles: readonly string[];
  readonly scope?: "tenant" | "instance";
  readonly expires_at?: string;
}

const MAX_KEY_LENGTH = 512;
/** To the minute: more often would make every request a write. */
const TOUCH_INTERVAL_MS = 60_000;
/** Compared with when no key is found, so that an unknown id takes as long as a wrong secret. */
const NO_HASH = new Uint8Array(32);

export function makeApiKeys<Role extends string>(deps: ApiKeyDeps<Role>) {
  const { store } = deps;
  const rolesOf = ({ roles }: ApiKeyRow): readonly Role[] => deps.roles.filter((role) => roles.includes(role));
  const findActive = shareReads(store.findActive);
  const viewKey = (row: ApiKeyRow) => ({ ...viewRow(row), roles: rolesOf(row) });
  return {
    authenticate: async (bearer: string) => {
      if (bearer.length > MAX_KEY_LENGTH) return undefined;
      const { keyId, secretHash } = deps.hashKey(bearer);
      const row = await findActive(keyId);
      const isRight = timingSafeEqual(row?.secretHash ?? NO_HASH, secretHash);
      if (row === undefined || !isRight) return undefined;
      if (row.lastUsedAtMs === undefined || deps.nowMs() - row.lastUsedAtMs > TOUCH_INTERVAL_MS) {
        // a key that cannot be marked as used is still a valid key: the mark is for people
        store.touch(keyId).catch(deps.onTouchFailed);
      }
      const { tenantUid, tenantId, authorityVersion } = row;
      const tenant =
        tenantUid === undefined || tenantId === undefined || authorityVersion === undefined
          ? ("all" as const)
          : { tenantUid, tenantId, authorityVersion };
      return { keyId, owner: row.owner, roles: rolesOf(row), tenant };
    },
    findTenant: shareReads((tenantId: string) => deps.tenants.find(tenantId)),
    list: async ({
      caller,
      after,
      limit,
    }: {
      readonly caller: Caller;
      readonly after: string | undefined;
      readonly limit: number;
    }) => {
      const place = after === undefined ? undefined : readCursor(after);
      const { rows, ...next } = await pageOfRows(
        limit,
        (mostRows) => store.list({ ...reach(caller), after: place, limit: mostRows }),
        ({ createdAtMs, keyId }) => `${createdAtMs}.${keyId}`,
      );
      return { items: rows.map(viewKey), ...next };
    },
    get: async ({ caller, keyId }: { readonly caller: Caller; readonly keyId: string }) => {
      const row = await store.get({ keyId, ...reach(caller) });
      return row && viewKey(row);
    },
    create: async ({ caller, submission }: { readonly caller: Caller; readonly submission: KeySubmission }) => {
      const isInstance = submission.scope === "instance";
      const isPlatform = caller.isInstanceWide && caller.roles.includes("platform");
      if ((isInstance || submission.roles.includes("platform")) && !isPlatform)
        throw new StepgateError("FORBIDDEN", { need: "platform" });
      if (submission.roles.includes("platform") && !isInstance)
        throw new StepgateError("FIELD_INVALID", { field: "/roles", reason: "platform needs scope instance" });
      const secret = deps.makeKey();
      const { keyId, secretHash } = deps.hashKey(secret);
      const tenantUid = isInstance ? undefined : caller.tenantUid;
      await store.insert({
        actor: `key:${caller.keyId}`,
        auditTenant: caller.tenantUid,
        key: {
          keyId,
          secretHash,
          tenantUid,
          owner: submission.owner,
          roles: submission.roles,
          expiresAtMs: readTime(submission.expires_at),
        },
      });
      const row = await store.get({ keyId, tenantUid: caller.tenantUid, withInstance: isInstance });
      if (row === undefined)
        throw new StepgateError("INTERNAL", { reason: "a key that was just written is not there" });
      return { ...viewKey(row), secret };
    },
    revoke: async ({
      caller,
      keyId,
    }: {
      readonly caller: Caller;
      readonly keyId: string;
    }): Promise<true | undefined> =>
      (await store.revoke({ actor: `key:${caller.keyId}`, keyId, ...reach(caller) })) ? true : undefined,
  };
}

/** A caller reaches its own tenant's keys; the instance's only with `platform`. */
function reach({ tenantUid, isInstanceWide, roles }: Caller): {
  readonly tenantUid: TenantUid;
  readonly withInstance: boolean;
} {
  return { tenantUid, withInstance: isInstanceWide && roles.includes("platform") };
}

function viewRow(row: ApiKeyRow) {
  const time = (atMs: number): string => new Date(atMs).toISOString();
  return {
    key_id: row.keyId,
    owner: row.owner,
    scope: row.tenantUid === undefined ? ("instance" as const) : ("tenant" as const),
    ...(row.tenantId === undefined ? {} : { tenant_id: row.tenantId }),
    created_at: time(row.createdAtMs),
    ...(row.expiresAtMs === undefined ? {} : { expires_at: time(row.expiresAtMs) }),
    ...(row.revokedAtMs === undefined ? {} : { revoked_at: time(row.revokedAtMs) }),
    ...(row.lastUsedAtMs === undefined ? {} : { last_used_at: time(row.lastUsedAtMs) }),
  };
}

function readTime(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const atMs = Date.parse(text);
  if (!Number.isFinite(atMs)) throw new StepgateError("FIELD_INVALID", { field: "/expires_at" });
  return atMs;
}

const CURSOR = /^([0-9]{1,15})\.([A-Za-z0-9-]{1,64})$/;

/** `<milliseconds>.<key id>`. @throws {StepgateError} FIELD_INVALID for any other text. */
function readCursor(cursor: string): { readonly createdAtMs: number; readonly keyId: string } {
  const [, time, keyId] = CURSOR.exec(cursor) ?? [];
  if (time === undefined || keyId === undefined)
    throw new StepgateError("FIELD_INVALID", { field: "/querystring/after" });
  return { createdAtMs: Number(time), keyId };
}
