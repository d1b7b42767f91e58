/** T4 (spec 04): a spec asking more than the token's scope is refused, and every violated field is listed. */
import t from "tap";
import { mintToken } from "../../src/capability/mint-token.ts";
import { narrowScope, scopeOf } from "../../src/capability/narrow-scope.ts";
import { verifyToken } from "../../src/capability/verify-token.ts";
import type { ScopeDemand, TokenReason } from "../../src/core/capability.ts";
import { demand, expected, JTI, keys, mintInput, NOW_SEC, SALT, scope, token } from "../capability/issuer.ts";

const reasonsFor = (change: Partial<ScopeDemand>): readonly TokenReason[] => {
  const verdict = verifyToken(token, keys, { ...expected, demand: { ...demand, ...change } }, NOW_SEC);
  return verdict.ok ? [] : verdict.reasons;
};

t.test("T4 the control: what the token was minted for fits, and so does less", async (t) => {
  t.strictSame(reasonsFor({}), []);
  t.strictSame(reasonsFor({ limits: { calls: 1 }, egress: [], data: [] }), []);
});

t.test("T4 each dimension that asks for more has its reason", async (t) => {
  const more: readonly (readonly [why: string, change: Partial<ScopeDemand>, ...reasons: TokenReason[]])[] = [
    ["another action", { action: "delete" }, "action"],
    ["another location", { location: "adapter:fs" }, "location"],
    ["another tool", { tool: "mail.delete" }, "tool"],
    ["a tool in capitals", { tool: "Mail.Send" }, "tool"],
    ["a tool that every object has", { tool: "constructor", arguments: {} }, "tool"],
    ["another value of an argument", { arguments: { ...demand.arguments, to: "eve@example.com" } }, "argument"],
    ["another type of an argument", { arguments: { ...demand.arguments, priority: "3" } }, "argument"],
    ["an argument less", { arguments: { to: "ops@example.com" } }, "argument_missing"],
    ["an argument more", { arguments: { ...demand.arguments, bcc: "eve@example.com" } }, "argument_unnamed"],
    ["more calls", { limits: { ...demand.limits, calls: 3 } }, "limit_calls"],
    ["more tokens", { limits: { ...demand.limits, tokens: 101 } }, "limit_tokens"],
    ["more money", { limits: { ...demand.limits, usd_micros: 5_001 } }, "limit_usd_micros"],
    ["more time", { limits: { ...demand.limits, wall_ms: 30_001 } }, "limit_wall_ms"],
    ["more bytes", { limits: { ...demand.limits, bytes_out: 65_537 } }, "limit_bytes_out"],
    ["a limit that is no count", { limits: { ...demand.limits, calls: Number.NaN } }, "limit_calls"],
    ["another host", { egress: ["smtp.example.org:465"] }, "egress"],
    ["another port", { egress: ["smtp.example.com:25"] }, "egress"],
    ["every port", { egress: ["smtp.example.com"] }, "egress"],
    ["a host more", { egress: [...demand.egress, "evil.example"] }, "egress"],
    ["another label", { data: ["internal", "secret"] }, "data"],
  ];
  for (const [why, change, ...reasons] of more)
    t.test(why, async (t) => {
      t.strictSame(reasonsFor(change), reasons);
    });
});

t.test("T4 a spec that asks for more everywhere is told everything, in the order of the table", async (t) => {
  const everything: ScopeDemand = {
    action: "delete",
    location: "adapter:fs",
    tool: "mail.send",
    arguments: { to: "eve@example.com", bcc: "eve@example.com" },
    limits: { calls: 9, tokens: 999, usd_micros: 99_999, wall_ms: 999_999, bytes_out: 9_999_999 },
    egress: ["evil.example:443"],
    data: ["secret"],
  };
  const verdict = verifyToken(token, keys, { ...expected, audience: "adapter.fs", demand: everything }, NOW_SEC);
  t.strictSame(verdict, {
    ok: false,
    jti: JTI,
    reasons: [
      "audience",
      "action",
      "location",
      "argument_missing",
      "argument_unnamed",
      "argument",
      "limit_calls",
      "limit_tokens",
      "limit_usd_micros",
      "limit_wall_ms",
      "limit_bytes_out",
      "egress",
      "data",
    ],
  });
});

t.test("T4 a limit that the scope does not name is no permission", async (t) => {
  const bare = mintToken({ ...mintInput, scope: { ...scope, limits: { calls: 2 } } }).token;
  const verdict = verifyToken(bare, keys, expected, NOW_SEC);
  t.match(verdict, { ok: false, reasons: ["limit_tokens", "limit_usd_micros", "limit_wall_ms", "limit_bytes_out"] });
});

t.test("A18 a scope cut by an egress obligation no longer fits a step for another host", async (t) => {
  const obligation = { id: "o1", type: "egress", properties: { hosts: ["a.example"] } } as const;
  const toB: ScopeDemand = { ...demand, egress: ["b.example:443"] };
  const cut = narrowScope(scopeOf(toB, SALT), [obligation], undefined);
  const verdict = verifyToken(
    mintToken({ ...mintInput, scope: cut }).token,
    keys,
    { ...expected, demand: toB },
    NOW_SEC,
  );
  t.match(verdict, { ok: false, reasons: ["egress"] });
  const toA: ScopeDemand = { ...demand, egress: ["a.example:443"] };
  const kept = narrowScope(scopeOf(toA, SALT), [obligation], undefined);
  t.ok(verifyToken(mintToken({ ...mintInput, scope: kept }).token, keys, { ...expected, demand: toA }, NOW_SEC).ok);
});
