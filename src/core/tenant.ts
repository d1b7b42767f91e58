/**
 * What decisions about a tenant's steps rest on, as one immutable value with a version.
 *
 * Everything here is made by people with authority (packs, floors, tools, settings). *admit* compares the version, so a
 * step decided on an older value is decided anew. Not here: usage and budgets (tenancy/), keys (evidence/).
 */
import type { TenantUid } from "./ids.ts";
import type { IsolationLevel } from "./isolation.ts";
import type { JsonObject } from "./json.ts";

export interface TenantAuthority {
  readonly tenantUid: TenantUid;
  readonly tenantId: string;
  readonly version: number;
  readonly labels: JsonObject;
  /** The pack that decides at boundary `scheduler`; none means that nothing runs. */
  readonly runtimePack: string | undefined;
  /** The floor: packs that every step passes whatever it asks for. */
  readonly requiredGuardrails: readonly string[];
  readonly minIsolation: Readonly<Record<string, IsolationLevel>>;
  /** Step types for which this tenant accepts less than the minimum, by name. */
  readonly weakerIsolationAllowed: readonly string[];
  /** By step type; a type that is absent has its adapter's closed defaults. */
  readonly executorSettings: Readonly<Record<string, JsonObject>>;
  /** Names of its sinks: nobody else can be told of a step. */
  readonly sinks: readonly string[];
  /** Default request of a step that names none, by step type. */
  readonly defaultRequests: Readonly<Record<string, { readonly tokens: number; readonly usd_micros: number }>>;
}

/** Who submitted something: from the credential, never from the request. */
export interface Principal {
  readonly keyId: string;
  readonly owner: string;
  readonly roles: readonly string[];
}
