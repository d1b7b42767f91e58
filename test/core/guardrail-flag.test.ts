import t from "tap";
import { conflictingFlags, parseGuardrailFlag } from "../../src/core/guardrail-flag.ts";

t.test("every known flag is read with its value", async (t) => {
  t.same(parseGuardrailFlag("redact_pii"), { name: "redact_pii" });
  t.same(parseGuardrailFlag("deny_on_pii"), { name: "deny_on_pii" });
  t.same(parseGuardrailFlag("block_injection"), { name: "block_injection" });
  t.same(parseGuardrailFlag("block_command_output"), { name: "block_command_output" });
  t.same(parseGuardrailFlag("egress_http_allowlist:api.example.com:8443"), {
    name: "egress_http_allowlist",
    domain: "api.example.com:8443",
  });
  t.same(parseGuardrailFlag("egress_http_content_type:application/json"), {
    name: "egress_http_content_type",
    mime: "application/json",
  });
  t.same(parseGuardrailFlag("egress_http_max_bytes:1024"), { name: "egress_http_max_bytes", maxBytes: 1_024 });
  t.same(parseGuardrailFlag("tool_sandbox:vm"), { name: "tool_sandbox", isolation: "vm" });
});

t.test("a flag that is not exactly one of ours is not read", async (t) => {
  const refused = [
    "",
    "redact",
    "redact_pii:",
    "REDACT_PII",
    "egress_http_allowlist",
    "egress_http_allowlist:",
    "egress_http_allowlist:*",
    "egress_http_allowlist:https://example.com",
    "egress_http_allowlist:example.com/../",
    "egress_http_content_type:json",
    "egress_http_max_bytes:0",
    "egress_http_max_bytes:-1",
    "egress_http_max_bytes:1e3",
    "egress_http_max_bytes:9007199254740993",
    "tool_sandbox:none",
    "tool_sandbox:firecracker",
    "allow_all",
  ];
  for (const flag of refused) t.equal(parseGuardrailFlag(flag), undefined, flag);
});

t.test("flags conflict when they cannot both hold", async (t) => {
  t.same(conflictingFlags(["deny_on_pii", "block_injection", "redact_pii"]), ["redact_pii", "deny_on_pii"]);
  t.same(conflictingFlags(["tool_sandbox:vm", "tool_sandbox:wasm"]), ["tool_sandbox:vm", "tool_sandbox:wasm"]);
  t.same(conflictingFlags(["egress_http_max_bytes:1", "egress_http_max_bytes:1", "egress_http_max_bytes:2"]), [
    "egress_http_max_bytes:1",
    "egress_http_max_bytes:2",
  ]);
});

t.test("flags that repeat or add up do not conflict", async (t) => {
  t.equal(conflictingFlags([]), undefined);
  t.equal(conflictingFlags(["tool_sandbox:vm", "tool_sandbox:vm"]), undefined);
  t.equal(conflictingFlags(["egress_http_allowlist:a", "egress_http_allowlist:b", "redact_pii"]), undefined);
});
