/** A tool of your own: it accepts a call only with a capability token for exactly this call, and each token once. */
import { callDemand, canonicalJson, loadTrust, makeCallCounter, stepSubject, verifyToken } from "../../src/verify.ts";

export function makeMailAdapter(jwks: string, issuer: string, nowSec: () => number) {
  const keys = loadTrust(jwks); // GET /.well-known/jwks.json, once, when the adapter starts
  const calls = makeCallCounter({ nowSec, maxTokens: 100_000 });
  return (token: string, { tenant, run, step, attempt, salt, to }: MailCall) => {
    const subject = stepSubject(tenant, run, step, attempt);
    const call = { action: "invoke", location: "adapter:mail", tool: "mail.send", arguments: { to }, egress: [] };
    const request = { salt, canonical: canonicalJson({ tool: call.tool, arguments: call.arguments }) };
    const highestAttemptSeen = calls.highestAttempt(subject);
    const demand = callDemand(call);
    const expected = {
      issuer,
      audience: "adapter.mail",
      subject,
      highestAttemptSeen,
      request,
      demand,
      clockSkewSec: 30,
    };
    const verdict = verifyToken(token, keys, expected, nowSec());
    return verdict.ok ? calls.count(verdict.claims, { hasProof: false }) : verdict; // ok: send the mail; else: why not
  };
}

export interface MailCall {
  readonly tenant: string;
  readonly run: string;
  readonly step: string;
  readonly attempt: number;
  readonly salt: Uint8Array;
  readonly to: string;
}
