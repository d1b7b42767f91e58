/**
 * Secrets for the gate: those that a tool asks for, or why it cannot be handed them (spec 09, tools).
 *
 * In: a tenant and what its tool asks for. Out: a fault, or the values, in memory. Nothing is remembered: one that was erased
 * is handed over no more. Not here: who gets them (gate/execute.ts), names and places (executors/).
 */
import { isStepgateError } from "../core/errors.ts";
import type { TenantUid } from "../core/ids.ts";
import type { HandedSecret, SecretFault, SecretsAnswer, ToolSecret } from "../core/secret.ts";
import type { SecretStore, SecretVault } from "./ports.ts";

export interface SecretReader {
  /** The first that is not there or does not fit its place; undefined when all can be handed over. */
  readonly fault: (tenantUid: TenantUid, wanted: readonly ToolSecret[]) => Promise<SecretFault | undefined>;
  /** All of them, opened. */
  readonly take: (tenantUid: TenantUid, wanted: readonly ToolSecret[]) => Promise<SecretsAnswer>;
}

export interface SecretReaderDeps {
  readonly store: Pick<SecretStore, "find" | "read">;
  readonly vault: Pick<SecretVault, "open">;
}

const refsOf = (wanted: readonly ToolSecret[]) => [...new Set(wanted.map(({ ref }) => ref))];

export function makeSecretReader({ store, vault }: SecretReaderDeps): SecretReader {
  const open = async (tenantUid: TenantUid, wanted: readonly ToolSecret[]) => {
    const handed: HandedSecret[] = [];
    const rows = await store.read(tenantUid, refsOf(wanted));
    for (const asked of wanted) {
      const row = rows.get(asked.ref);
      const fault = faultOf(asked, row);
      if (row === undefined || fault !== undefined) return { ok: false, fault: fault ?? missing(asked) } as const;
      const value = await opened(() => vault.open({ tenantUid, secret: asked.ref }, row.value));
      if (value === undefined)
        return { ok: false, fault: { reason: "tool_secret_unreadable", ref: asked.ref } } as const;
      handed.push({ name: asked.name, value });
    }
    return { ok: true, handed } as const;
  };
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
      const answer = await open(tenantUid, wanted);
      return answer.ok ? { ok: true, hand: () => answer.handed } : { ok: false, ...answer.fault };
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
