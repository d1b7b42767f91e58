/**
 * Tools of a tenant, as operators register and see them (spec 09).
 *
 * A definition that changes makes a new version; an old one is never edited, and runs that were submitted before keep it.
 * Not here: what a definition must be (executors/tool/check-definition.ts), HTTP, rows.
 */
import { canonicalDigest } from "../core/canonical-json.ts";
import type { ScopeLimits } from "../core/capability.ts";
import { StepgateError } from "../core/errors.ts";
import type { TenantUid } from "../core/ids.ts";
import type { IsolationLevel } from "../core/isolation.ts";
import type { JsonObject } from "../core/json.ts";
import { pageOfRows } from "../core/page-of-rows.ts";
import type { ToolSecret } from "../core/secret.ts";
import { definitionJson, type EffectClass, type ToolDefaults, type ToolDefinition } from "../core/tool.ts";
import type { TenantStore, ToolRow } from "./ports.ts";
import { readDefinition } from "./read-definition.ts";
import type { SecretReader } from "./read-secrets.ts";

interface Caller {
  readonly keyId: string;
  readonly tenantUid: TenantUid;
}

/** What an operator sends, of checked form. */
export interface ToolSubmission {
  /** Above the newest; left out, the next one. */
  readonly version?: number;
  readonly executor: string;
  readonly config: JsonObject;
  readonly input_schema: JsonObject;
  readonly output_schema?: JsonObject;
  readonly effects?: EffectClass;
  readonly idempotent?: boolean;
  readonly min_isolation?: IsolationLevel;
  readonly egress?: readonly string[];
  readonly secrets?: readonly ToolSecret[];
  readonly defaults?: ToolDefaults;
  readonly limits?: Partial<ScopeLimits>;
}

export interface ToolDeps {
  readonly store: TenantStore;
  /** @throws {StepgateError} FIELD_INVALID, TOOL_SECRET_PLACE for a definition that nothing could perform. */
  readonly check: (definition: ToolDefinition) => void;
  readonly secretFault: SecretReader["fault"];
}

const MAX_VERSIONS_SHOWN = 100;
const SECRET_FAULTS = {
  tool_secret_missing: "TOOL_SECRET_MISSING",
  tool_secret_unfit: "TOOL_SECRET_UNFIT",
  tool_secret_unreadable: "BLOB_UNREADABLE",
} as const;

export function makeTools({ store, check, secretFault }: ToolDeps) {
  return {
    list: async ({
      caller,
      after,
      limit,
    }: {
      readonly caller: Caller;
      readonly after: string | undefined;
      readonly limit: number;
    }) => {
      const read = (mostRows: number) => store.tools(caller.tenantUid, after, mostRows);
      const { rows, ...next } = await pageOfRows(limit, read, ({ name }) => name);
      return { items: rows.flatMap((row) => viewTool(row) ?? []), ...next };
    },
    get: async ({
      caller,
      name,
      version,
    }: {
      readonly caller: Caller;
      readonly name: string;
      readonly version: number | undefined;
    }) => {
      const row = await store.tool(caller.tenantUid, name, version);
      if (row === undefined) return undefined;
      const view = viewTool(row);
      if (view === undefined) throw new StepgateError("TOOL_UNREADABLE", { tool: name, version: row.version });
      const versions = await store.toolVersions(caller.tenantUid, name, MAX_VERSIONS_SHOWN);
      return {
        ...view,
        versions: versions.map((one) => ({
          version: one.version,
          digest: one.digest,
          created_at: timeText(one.createdAtMs),
        })),
      };
    },
    put: async ({
      caller,
      name,
      submission,
    }: {
      readonly caller: Caller;
      readonly name: string;
      readonly submission: ToolSubmission;
    }) => {
      const { tenantUid, keyId } = caller;
      const newest = await store.tool(tenantUid, name, undefined);
      const definition = definitionOf(name, submission, newest);
      check(definition);
      const fault = await secretFault(tenantUid, definition.secrets ?? []);
      if (fault !== undefined) throw new StepgateError(SECRET_FAULTS[fault.reason], { tool: name, ref: fault.ref });
      const digest = canonicalDigest(definitionJson(definition));
      const view = (row: Pick<ToolRow, "createdAtMs">) => viewDefinition({ definition, digest, ...row });
      if (newest?.digest === digest) return { tool: view(newest), isNew: false };
      const { version } = definition;
      const conflict = new StepgateError("STATE_CONFLICT", { newest: newest?.version ?? 0, given: version });
      if (newest !== undefined && version <= newest.version) throw conflict;
      const tool = { name, version, digest, definition: definitionJson(definition) };
      const row = await store.insertTool({ tenantUid, actor: `key:${keyId}`, tool });
      // somebody else took the number meanwhile
      if (row === undefined) throw conflict;
      return { tool: view(row), isNew: true };
    },
  };
}

/** The canonical form: every default written out. Without a version it is the newest's where nothing else changed, else the next. */
function definitionOf(name: string, submission: ToolSubmission, newest: ToolRow | undefined): ToolDefinition {
  const { version: given, secrets = [], effects = "write", idempotent = false, ...rest } = submission;
  const form = (version: number): ToolDefinition => ({
    ...rest,
    name,
    version,
    effects,
    idempotent,
    defaults: rest.defaults ?? {},
    limits: rest.limits ?? {},
    ...(secrets.length === 0 ? {} : { secrets: byName(secrets) }),
  });
  if (given !== undefined) return form(given);
  const current = newest?.version ?? 0;
  const isSame = newest !== undefined && newest.digest === canonicalDigest(definitionJson(form(current)));
  return form(isSame ? current : current + 1);
}

/** Their order says nothing, and is in no digest. */
function byName(secrets: readonly ToolSecret[]): readonly ToolSecret[] {
  return secrets
    .map(({ name, ref, as }) => ({ name, ref, as }))
    .sort((a, b) => (a.name === b.name ? 0 : a.name < b.name ? -1 : 1));
}

/** Undefined for a row that cannot be read. */
function viewTool(row: ToolRow) {
  const definition = readDefinition(row);
  return definition && viewDefinition({ ...row, definition });
}

function viewDefinition({
  definition,
  digest,
  createdAtMs,
}: Omit<ToolRow, "definition" | "name" | "version"> & { readonly definition: ToolDefinition }) {
  return { ...definition, digest, created_at: timeText(createdAtMs) };
}

const timeText = (atMs: number): string => new Date(atMs).toISOString();
