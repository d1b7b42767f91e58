/**
 * Narrowing offline: the holder of a token's key derives one that allows less (design §5).
 *
 * In: a token, the key named in its `cnf`, what the new one may do. Out: a child token, sent behind its parent. A child made
 * for one call also proves possession for that call. Not here: verification (verify-chain.ts).
 */
import { sha256Hex } from "../core/canonical-json.ts";
import type { ChildClaims, Scope, TokenClaims } from "../core/capability.ts";
import { ed25519Thumbprint, readEd25519Key } from "../core/ed25519.ts";
import { StepgateError } from "../core/errors.ts";
import type { Signer } from "../core/keys.ts";
import { hasChildForm } from "./read-claims.ts";
import { isScopeWithin } from "./scope-within.ts";
import { signClaims } from "./sign-claims.ts";
import { holderIssuer, MAX_CHAIN_LENGTH } from "./verify-chain.ts";

export interface AttenuationInput {
  readonly parent: { readonly token: string; readonly claims: TokenClaims | ChildClaims };
  /** The key in the parent's `cnf`. */
  readonly holder: Pick<Signer, "publicJwk" | "sign">;
  /** The parent's own audience, or one of its locations. */
  readonly audience: string;
  readonly jti: string;
  readonly nowSec: number;
  /** The child ends with its parent at the latest. */
  readonly ttlSec: number;
  readonly scope: Scope;
  /** Of the request digest. */
  readonly salt: Uint8Array;
  /** The next holder's key, if it is to narrow further. */
  readonly confirmationJwk?: NonNullable<TokenClaims["cnf"]>["jwk"];
}

/**
 * Derives a child of a token.
 *
 * Children of one parent each have its whole limits: whoever counts calls counts them on the gateway's token.
 *
 * @throws {StepgateError} SCOPE_INVALID with `reason` when the child would not verify: a key that the parent does not name,
 * another audience, a longer life, a wider scope, a chain too long; SIGNER_UNAVAILABLE when the key gives no signature.
 */
export function attenuateToken(input: AttenuationInput): { readonly token: string; readonly claims: ChildClaims } {
  const { holder } = input;
  const claims = childOf(input);
  return {
    token: signClaims(
      { kid: ed25519Thumbprint(holder.publicJwk.x), sign: (message) => holder.sign(message) },
      claims,
      hasChildForm,
    ),
    claims,
  };
}

function childOf({
  parent,
  holder,
  audience,
  jti,
  nowSec,
  ttlSec,
  scope,
  salt,
  confirmationJwk,
}: AttenuationInput): ChildClaims {
  const { token, claims } = parent;
  const [outer] = claims.authorization_details;
  const depth = "depth" in claims ? claims.depth + 1 : 1;
  if (depth >= MAX_CHAIN_LENGTH) throw invalid("chain");
  if (claims.cnf?.jwk.x !== holder.publicJwk.x) throw invalid("confirmation");
  if (confirmationJwk !== undefined && readEd25519Key(confirmationJwk.x) === undefined) throw invalid("confirmation");
  if (audience !== claims.aud && !outer.locations.includes(audience)) throw invalid("audience");
  if (!(ttlSec >= 1 && nowSec >= claims.iat && nowSec + ttlSec <= claims.exp)) throw invalid("lifetime");
  if (!isScopeWithin(scope, outer, salt)) throw invalid("scope_widened");
  return {
    iss: holderIssuer(holder.publicJwk.x),
    aud: audience,
    sub: claims.sub,
    jti,
    iat: nowSec,
    nbf: nowSec,
    exp: nowSec + ttlSec,
    ...(confirmationJwk === undefined ? {} : { cnf: { jwk: confirmationJwk } }),
    tctx: claims.tctx,
    authorization_details: [scope],
    par_hash: sha256Hex(token),
    depth,
  };
}

function invalid(reason: string): StepgateError {
  return new StepgateError("SCOPE_INVALID", { reason });
}
