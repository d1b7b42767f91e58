/**
 * What people with authority set: tenants, tools, secrets, executors, keys.
 *
 * What holds of every port: ../ports.ts.
 */
import type { JsonObject } from "../../core/json.ts";
import type { KeyPage, KeySubmission, KeyView, NewKeyView } from "../views/key.ts";
import type { SecretPage, SecretView } from "../views/secret.ts";
import type { TenantPage, TenantSubmission, TenantView } from "../views/tenant.ts";
import type { ExecutorPage, ExecutorView, ToolPage, ToolSubmission, ToolView } from "../views/tool.ts";
import type { Caller, KeyHolder } from "./caller.ts";
import type { PageInput } from "./request.ts";

/** Called with the key's holder: a tenant's key sees its own tenant, a `platform` key of the instance every one. */
export interface Tenants {
  readonly list: (input: {
    readonly holder: KeyHolder;
    readonly after: string | undefined;
    readonly limit: number;
  }) => Promise<TenantPage>;
  readonly get: (input: { readonly holder: KeyHolder; readonly tenantId: string }) => Promise<TenantView | undefined>;
  /** Makes or replaces a tenant's settings, audited. */
  readonly put: (input: {
    readonly holder: KeyHolder;
    readonly tenantId: string;
    readonly submission: TenantSubmission;
  }) => Promise<{ readonly tenant: TenantView; readonly isNew: boolean }>;
}

export interface Tools {
  readonly list: (input: PageInput) => Promise<ToolPage>;
  /** The version asked for, else the newest. @throws {StepgateError} TOOL_UNREADABLE. */
  readonly get: (input: {
    readonly caller: Caller;
    readonly name: string;
    readonly version: number | undefined;
  }) => Promise<ToolView | undefined>;
  /**
   * Adds a version, audited; the same definition again changes nothing.
   * @throws {StepgateError} FIELD_INVALID for one that nothing could perform, TOOL_SECRET_MISSING, TOOL_SECRET_UNFIT,
   *   TOOL_SECRET_PLACE, STATE_CONFLICT for another definition under a version that is not above the newest.
   */
  readonly put: (input: {
    readonly caller: Caller;
    readonly name: string;
    readonly submission: ToolSubmission;
  }) => Promise<{ readonly tool: ToolView; readonly isNew: boolean }>;
}

export interface Secrets {
  /** By name, without values; those are in no answer. */
  readonly list: (input: PageInput) => Promise<SecretPage>;
  readonly get: (input: { readonly caller: Caller; readonly name: string }) => Promise<SecretView | undefined>;
  /** Makes it or replaces its value, audited without it. */
  readonly put: (input: {
    readonly caller: Caller;
    readonly name: string;
    readonly value: string;
  }) => Promise<{ readonly secret: SecretView; readonly isNew: boolean }>;
  /** Erases it, audited. */
  readonly remove: (input: { readonly caller: Caller; readonly name: string }) => Promise<true | undefined>;
}

export interface Executors {
  readonly list: (input: { readonly caller: Caller }) => Promise<ExecutorPage>;
  readonly get: (input: { readonly caller: Caller; readonly type: string }) => Promise<ExecutorView | undefined>;
  /** Replaces the tenant's settings, audited. @throws {StepgateError} FIELD_INVALID against the adapter's schema. */
  readonly put: (input: {
    readonly caller: Caller;
    readonly type: string;
    readonly settings: JsonObject;
  }) => Promise<ExecutorView | undefined>;
}

export interface Keys {
  readonly list: (input: PageInput) => Promise<KeyPage>;
  readonly get: (input: { readonly caller: Caller; readonly keyId: string }) => Promise<KeyView | undefined>;
  /**
   * Makes a key in the caller's tenant, or one of the instance, audited; the secret is in this answer only.
   * @throws {StepgateError} FORBIDDEN for scope `instance` or role `platform` asked by anyone but `platform`.
   */
  readonly create: (input: { readonly caller: Caller; readonly submission: KeySubmission }) => Promise<NewKeyView>;
  /** Revokes, audited; true also when it was revoked before. */
  readonly revoke: (input: { readonly caller: Caller; readonly keyId: string }) => Promise<true | undefined>;
}
