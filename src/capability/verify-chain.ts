/**
 * Verification of a chain: a gateway's token and the narrower ones that its holders derived offline (design §5).
 *
 * In: the tokens, the gateway's first. Out: what the last one allows, or every reason against the chain. Each link is signed
 * by the key in its parent's `cnf`, names its parent, and stays within it in every dimension. Not here: deriving
 * (attenuate-token.ts), counting calls (call-counter.ts).
 */
import { sha256Hex } from "../core/canonical-json.ts";
import type { ChainVerdict, Scope, TokenClaims, TokenExpectation, TokenKeys, TokenReason } from "../core/capability.ts";
import { ed25519Thumbprint, readEd25519Key } from "../core/ed25519.ts";
import type { JsonObject } from "../core/json.ts";
import { jsonEquals } from "../core/json.ts";
import { claimReasons, ownReasons } from "./check-claims.ts";
import { hasChildForm, hasClaimsForm, type UnscopedChildClaims, type UnscopedClaims } from "./read-claims.ts";
import { orderedReasons, readAuthorizationDetails } from "./read-scope.ts";
import { demandFits } from "./scope.ts";
import { isScopeWithin } from "./scope-within.ts";
import { checkSignature, openToken } from "./verify-token.ts";

/** The gateway's token and three narrowings: each link costs two public-key operations, ~300 µs. */
export const MAX_CHAIN_LENGTH = 4;

interface Link<Claims extends UnscopedClaims = UnscopedClaims> {
  readonly token: string;
  readonly claims: Claims;
  readonly scope: Scope;
}
type Refusal = { readonly ok: false; readonly reasons: readonly TokenReason[] };
type LinkVerdict<Claims extends UnscopedClaims> = { readonly ok: true; readonly link: Link<Claims> } | Refusal;

/**
 * Verifies a chain of tokens, the gateway's first, and returns what the last one allows.
 *
 * A chain of one is verified as `verifyToken` does. Of a longer one the last token must be for this audience; issuer,
 * subject, attempt and request are those of the first, which every link must repeat.
 *
 * @throws {StepgateError} KEYS_UNAVAILABLE and JSON_INVALID as `verifyToken`.
 */
export function verifyChain(
  tokens: readonly string[],
  keys: TokenKeys,
  expected: TokenExpectation,
  nowSec: number,
): ChainVerdict {
  if (tokens.length > MAX_CHAIN_LENGTH) return refuse(["chain"]);
  const [rootToken = "", ...childTokens] = tokens;
  const root = openLink(rootToken, keys, hasClaimsForm);
  if (!root.ok) return refuse(root.reasons);
  const reasons: TokenReason[] = [];
  let leaf: Link = root.link;
  for (const [index, token] of childTokens.entries()) {
    const child = openChild(token, leaf);
    if (!child.ok) return refuse(child.reasons, leaf.claims.jti);
    reasons.push(...ownReasons(child.link.claims, expected.clockSkewSec, nowSec));
    if (!isChildOf(child.link, leaf, index + 1)) reasons.push("chain");
    if (!isScopeWithin(child.link.scope, leaf.scope, expected.request.salt)) reasons.push("scope_widened");
    leaf = child.link;
  }
  // only the last token is for whoever verifies; the others were for the holders before
  const audience = leaf === root.link ? expected.audience : root.link.claims.aud;
  reasons.push(...claimReasons(root.link.claims, { ...expected, audience }, nowSec));
  if (leaf.claims.aud !== expected.audience) reasons.push("audience");
  reasons.push(...demandFits(leaf.scope, expected.demand, expected.request.salt));
  if (reasons.length > 0) return refuse(reasons, leaf.claims.jti);
  return { ok: true, claims: claimsOf(leaf), scope: leaf.scope, root: claimsOf(root.link) };
}

/** The issuer of a child: its holder's key as a URI (RFC 9278 §3). */
export function holderIssuer(x: string): string {
  return `urn:ietf:params:oauth:jwk-thumbprint:sha-256:${ed25519Thumbprint(x)}`;
}

function openLink<Claims extends UnscopedClaims>(
  token: string,
  keys: TokenKeys,
  hasForm: (value: unknown) => value is Claims,
): LinkVerdict<Claims> {
  const opened = openToken(checkSignature, token, keys);
  if (!opened.ok) return opened;
  const claims = opened.payload;
  if (!hasForm(claims)) return { ok: false, reasons: ["malformed"] };
  const read = readAuthorizationDetails(claims.authorization_details);
  return read.ok ? { ok: true, link: { token, claims, scope: read.scope } } : read;
}

/** A child is signed by the key that its parent names, and by no other. */
function openChild(token: string, { claims: { cnf } }: Link): LinkVerdict<UnscopedChildClaims> {
  if (cnf === undefined) return { ok: false, reasons: ["chain"] };
  const publicKey = readEd25519Key(cnf.jwk.x);
  if (publicKey === undefined) return { ok: false, reasons: ["confirmation"] };
  const kid = ed25519Thumbprint(cnf.jwk.x);
  return openLink(token, new Map([[kid, { kid, alg: "Ed25519", publicKey }]]), hasChildForm);
}

/** Whether a child names this parent, repeats whom it is about, and lives within its life. */
function isChildOf(
  { claims: child }: Link<UnscopedChildClaims>,
  { token, claims: parent, scope }: Link,
  depth: number,
): boolean {
  return (
    child.iss === holderIssuer(parent.cnf?.jwk.x ?? "") &&
    child.par_hash === sha256Hex(token) &&
    child.depth === depth &&
    child.sub === parent.sub &&
    jsonEquals(child.tctx as JsonObject & typeof child.tctx, parent.tctx as JsonObject & typeof parent.tctx) &&
    (child.aud === parent.aud || scope.locations.includes(child.aud)) &&
    child.iat >= parent.iat &&
    child.nbf >= parent.nbf &&
    child.exp <= parent.exp
  );
}

function claimsOf({ claims, scope }: Link): TokenClaims {
  return { ...claims, authorization_details: [scope] };
}

function refuse(reasons: readonly TokenReason[], jti?: string): ChainVerdict {
  return { ok: false, reasons: orderedReasons(reasons), jti };
}
