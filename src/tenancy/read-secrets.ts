/**
 * Secrets for the gate: those that a tool asks for, or why it cannot be handed them (spec 09, tools).
 *
 * In: a tenant and what its tool asks for. Out: a fault, or the values, in memory. Nothing is remembered: one that was erased
 * is handed over no more. Not here: who gets them (gate/execute.ts), names and places (executors/).
 */
import { isStepgateError } from "../core/errors.ts";
import type { TenantUid } from "../core/ids.ts";
import type { HandedSecret, SecretFault, SecretsAnswer, ToolSecret } from "../core/secret.ts";
import type { TextVault } from "../core/vault.ts";
import type { SecretStore } from "./ports.ts";

export interface SecretReader {
  /** The first that is not there or does not fit its place; undefined when all can be handed over. */
  readonly fault: (tenantUid: TenantUid, wanted: readonly ToolSecret[]) => Promise<SecretFault | undefined>;
  /** All of them, opened. */
  readonly take: (tenantUid: TenantUid, wanted: readonly ToolSecret[]) => Promise<SecretsAnswer>;
}

export interface SecretReaderDeps {
  readonly store: Pick<SecretStore, "find" | "read">;
  readonly vault: Pick<TextVault, "open">;
}

const refsOf = (wanted: readonly ToolSecret[]) => [...new Set(wanted.map(({ ref }) => ref))];

export function makeSecretReader({ store, vault }: SecretReaderDeps): SecretReader {
  return {
    fault: async (tenantUid, wanted) => {
      if (wanted.length === 0) return undefined;
      const rows = new Map((await store.find(tenantUid, refsOf(wanted))).map((row) => [row.name, row]));
      for (const asked of wanted) {
        const fault = faultOf(asked, rows.get(asked.ref));
        if (fault !== undefined) return fault;
      }
      return undefined;
    },
    take: async (tenantUid, wanted) => {
      const rows = await store.read(tenantUid, refsOf(wanted));
      const handed: HandedSecret[] = [];
      for (const asked of wanted) {
        const row = rows.get(asked.ref);
        if (row === undefined) return { ok: false, ...missing(asked) };
        const fault = faultOf(asked, row);
        if (fault !== undefined) return { ok: false, ...fault };
        const value = await opened(() => vault.open({ tenantUid, name: asked.ref }, row.value));
        if (value === undefined) return { ok: false, reason: "tool_secret_unreadable", ref: asked.ref };
        handed.push({ name: asked.name, value });
      }
      return { ok: true, hand: () => handed };
    },
  };
}

function faultOf(asked: ToolSecret, row: { readonly fitsHeader: boolean } | undefined): SecretFault | undefined {
  if (row === undefined) return missing(asked);
  return asked.as === "header" && !row.fitsHeader ? { reason: "tool_secret_unfit", ref: asked.ref } : undefined;
}

function missing({ ref }: ToolSecret): SecretFault {
  return { reason: "tool_secret_missing", ref };
}

/** Undefined for a value that does not open at its place: a row that somebody altered or moved decides nothing. */
async function opened(open: () => Promise<string>): Promise<string | undefined> {
  try {
    return await open();
  } catch (caught) {
    if (isStepgateError(caught, "BLOB_UNREADABLE")) return undefined;
    throw caught;
  }
}
