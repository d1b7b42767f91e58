/**
 * Quotas that could not be kept are refused where they are set, with the field, and nothing is stored.
 */
import t from "tap";
import type { QuotaRow } from "../../src/tenancy/ports.ts";
import { DEFAULT_TENANT_SETTINGS, makeTenants, type TenantSubmission } from "../../src/tenancy/tenants.ts";

const day: QuotaRow = { id: "a", unit: "tokens", window: "day", limit: 5 };
const refusals: readonly (readonly [string, readonly QuotaRow[], string])[] = [
  ["two limits of one name", [day, { ...day, id: "b" }, { ...day, unit: "usd_micros" }], "/quotas/2/id"],
  ["a window for what runs at the same time", [{ ...day, unit: "concurrent_steps" }], "/quotas/0/window"],
];

for (const [title, quotas, field] of refusals) {
  t.test(`${title} is refused at ${field}`, async (t) => {
    const { put } = makeTenants({
      store: new Proxy({} as Parameters<typeof makeTenants>[0]["store"], {
        get: () => t.fail("the store was asked"),
      }),
      ids: { uuid: () => "00000000-0000-7000-8000-000000000000", random: (size) => new Uint8Array(size) },
      isPack: () => true,
    });
    const submission: TenantSubmission = { ...DEFAULT_TENANT_SETTINGS, weight: 1, is_paused: false, quotas };
    await t.rejects(
      put({ holder: { keyId: "k", roles: ["platform"], tenant: "all" }, tenantId: "default", submission }),
      { code: "FIELD_INVALID", detail: { field } },
    );
  });
}
