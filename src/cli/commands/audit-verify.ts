/**
 * `stepgate audit verify`: reads the tenant's audit chain through the API and checks it here. Exit 1 names the broken row.
 */
import { type AuditRow, checkAuditChain } from "../../evidence/audit-chain.ts";
import { type Api, findTarget, makeApi } from "../api.ts";
import { type AddCommand, EXIT, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { AuditPage } from "../wire.ts";

const FAULTS = {
  missing: "is not there",
  unlinked: "does not follow from the row before it",
  changed: "is not what was written",
  cut: "is where the chain ends, and its head says otherwise",
} as const;

export const addAuditVerify: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("verify"))
    .description("check the hash chain of what was done in the tenant")
    .addHelpText(
      "after",
      "\nExit code: 0 whole, 1 broken.\nA chain that was rewritten whole shows only beside a head noted earlier.\n" +
        "Example:\n  npx stepgate audit verify\n",
    )
    .action(async ({ json, ...target }: TargetOptions) => {
      const { terminal, exitWith } = around;
      const { rows, head } = await readChain(makeApi(await findTarget(readConfig(around), target)));
      const verdict = checkAuditChain(rows, head);
      if (!verdict.ok) exitWith(EXIT.failed);
      if (json === true) return terminal.line(JSON.stringify(verdict));
      if (verdict.ok) {
        terminal.line(`${verdict.rows} rows, every hash good, none missing`);
        return terminal.line(`  note the head: ${verdict.head.seq} ${verdict.head.hash}`);
      }
      terminal.line(`row ${verdict.seq} ${FAULTS[verdict.fault]}`);
    });
};

/** The rows up to the head that the first page showed: what is done meanwhile is not part of this check. */
async function readChain(api: Api) {
  const first = await api.get("/v1/audit?limit=200", AuditPage);
  const rows: AuditRow[] = [];
  for (let page = first; ; ) {
    for (const { at, prev_hash: prevHash, ...row } of page.items) {
      if (row.seq <= first.head.seq) rows.push({ ...row, prevHash, atMs: Date.parse(at) });
    }
    if (page.next === undefined || Number(page.next) >= first.head.seq) return { rows, head: first.head };
    page = await api.get(`/v1/audit?limit=200&after=${encodeURIComponent(page.next)}`, AuditPage);
  }
}
