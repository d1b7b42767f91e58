/**
 * `stepgate tenant put`: makes a tenant, or changes of one what a file says and leaves the rest.
 */
import type { JsonObject } from "../../core/json.ts";
import { findTarget, makeApi } from "../api.ts";
import { readObjectFile } from "../read-object-file.ts";
import { type AddCommand, readConfig } from "../surroundings.ts";
import { addTargetOptions, type TargetOptions } from "../target-options.ts";
import { settingsOf, tenantPath } from "../tenant-settings.ts";
import { TenantSettings, TenantView } from "../wire.ts";

/** What a tenant has that nothing was said of: the strictest pack that comes along decides and is the floor. */
const NEW_TENANT: JsonObject = {
  weight: 1,
  is_paused: false,
  runtime_pack: "baseline",
  required_guardrails: ["baseline"],
  min_isolation: {},
  weaker_isolation_allowed: [],
  default_requests: {},
  retention_days: 365,
  transparency_scope: "gates",
  labels: {},
  quotas: [],
};

export const addTenantPut: AddCommand = (parent, around) => {
  addTargetOptions(parent.command("put <tenant> <file>"))
    .description("make a tenant, or change what the file says and leave the rest")
    .addHelpText("after", "\nExample:\n  npx stepgate tenant put acme policies/examples/acme.json\n")
    .action(async (id: string, file: string, { json, ...target }: TargetOptions) => {
      const api = makeApi(await findTarget(readConfig(around), target));
      const path = tenantPath(id);
      const known = await api.find(path, TenantSettings);
      const body = { ...(known === undefined ? NEW_TENANT : settingsOf(known)), ...(await readObjectFile(file)) };
      const tenant = await api.send("PUT", path, { body, schema: TenantView });
      around.terminal.line(
        json === true
          ? JSON.stringify(tenant)
          : `tenant ${tenant.id} · version ${tenant.version} · ${tenant.quotas.length} quotas`,
      );
    });
};
