/** The README's adapter, called as a gateway would call it. */
import t from "tap";
import { makeMailAdapter } from "../../policies/examples/mail-adapter.ts";
import { mintToken } from "../../src/capability/mint-token.ts";
import { scopeOf } from "../../src/capability/narrow-scope.ts";
import { requestDigest } from "../../src/capability/request-digest.ts";
import { callDemand, canonicalJson } from "../../src/verify.ts";
import { mintInput, NOW_SEC, SALT, signer, subject } from "../capability/issuer.ts";

t.test("the adapter of the README sends one mail per token, and only the one that was allowed", async (t) => {
  const call = {
    action: "invoke",
    location: "adapter:mail",
    tool: "mail.send",
    arguments: { to: "a@example.com" },
    egress: [],
  };
  const request = canonicalJson({ tool: "mail.send", arguments: call.arguments });
  const { token } = mintToken({
    ...mintInput,
    scope: scopeOf(callDemand(call), SALT),
    context: { ...mintInput.context, request_digest: requestDigest(SALT, request) },
  });
  const jwks = JSON.stringify({ keys: [signer.publicJwk] });
  const send = makeMailAdapter(jwks, "https://gate.example", () => NOW_SEC);
  const { tenantUid: tenant, runUid: run, stepId: step, attempt } = subject;
  const asked = { tenant, run, step, attempt, salt: SALT, to: "a@example.com" };
  t.match(send(token, { ...asked, to: "eve@example.com" }), { ok: false, reasons: ["argument", "request_digest"] });
  t.match(send(token, asked), { ok: true });
  t.match(send(token, asked), { ok: false, reasons: ["limit_calls"] });
});
