import t from "tap";
import type { TenantUid } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { readAuthority } from "../../src/tenancy/authorities.ts";

const read = (settings: JsonObject) =>
  readAuthority({
    tenantUid: "t" as TenantUid,
    tenantId: "acme",
    version: 1,
    settings: { runtime_pack: "open", ...settings },
    executorSettings: {},
    sinks: [],
  });

t.test(
  "a floor that is not of its form leaves no pack to decide, so that nothing runs under a lower one",
  async (t) => {
    t.match(
      read({}),
      { runtimePack: "open", requiredGuardrails: [], minIsolation: {} },
      "the control: no floor was set",
    );
    const whole = { required_guardrails: ["baseline"], min_isolation: { process: "namespaces" } };
    t.match(read(whole), {
      runtimePack: "open",
      requiredGuardrails: ["baseline"],
      minIsolation: { process: "namespaces" },
    });
    t.match(read({ min_isolation: { process: "bunker" } }), { runtimePack: "open", minIsolation: { process: "vm" } });
    for (const malformed of ["baseline", 1, null, true, { 0: "baseline" }, ["baseline", 1], [["baseline"]]])
      t.equal(read({ ...whole, required_guardrails: malformed }).runtimePack, undefined, JSON.stringify(malformed));
    for (const malformed of ["vm", 1, null, true, [], ["vm"]])
      t.equal(read({ ...whole, min_isolation: malformed }).runtimePack, undefined, JSON.stringify(malformed));
  },
);
