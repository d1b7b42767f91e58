/** T3 (spec 04): a token that is not exactly the one minted for exactly this attempt is refused, each with its reason. */
import { createHmac, createPublicKey } from "node:crypto";
import t from "tap";
import { requestDigest } from "../../src/capability/request-digest.ts";
import { verifyToken } from "../../src/capability/verify-token.ts";
import { canonicalJson } from "../../src/core/canonical-json.ts";
import type { TokenExpectation, TokenReason } from "../../src/core/capability.ts";
import type { StepId, TenantUid } from "../../src/core/ids.ts";
import type { JsonObject, JsonValue } from "../../src/core/json.ts";
import {
  base64url,
  expected,
  header,
  JTI,
  keys,
  NOW_SEC,
  payload,
  REQUEST,
  resign,
  SALT,
  scope,
  signer,
  signerFromSeed,
  signRaw,
  subject,
  token,
} from "../capability/issuer.ts";

type Refusal = readonly [why: string, token: string, ...reasons: TokenReason[]];

const verify = (given: string, change: Partial<TokenExpectation> = {}, nowSec = NOW_SEC) =>
  verifyToken(given, keys, { ...expected, ...change }, nowSec);

const reasonsOf = (verdict: ReturnType<typeof verify>) => (verdict.ok ? [] : verdict.reasons);

const [headerPart = "", payloadPart = "", signaturePart = ""] = token.split(".");
const headerText = canonicalJson(header);
const payloadText = canonicalJson(payload);
const stranger = signerFromSeed(9);

t.test("T3 the control: unaltered, it passes", async (t) => {
  t.match(verify(token), { ok: true, claims: { jti: JTI }, scope });
  t.match(verify(resign({})), { ok: true }, "and so does what the tests sign themselves");
});

t.test(
  "T3 a token altered in any claim is refused for its signature, and nothing is said about its claims",
  async (t) => {
    const paths = leaves(payload);
    t.ok(paths.length > 25, "every claim has its test");
    for (const path of paths)
      t.test(path.join("."), async (t) => {
        const altered = `${headerPart}.${base64url(canonicalJson(alter(payload, path)))}.${signaturePart}`;
        t.strictSame(verify(altered), { ok: false, reasons: ["signature"], jti: undefined });
      });
  },
);

t.test("T3 a header, payload or signature of another token is refused", async (t) => {
  const other = resign({ claims: { jti: "0199c1b2-7a3c-7def-8abc-999999999999" } }).split(".");
  t.strictSame(reasonsOf(verify(`${headerPart}.${other[1]}.${signaturePart}`)), ["signature"]);
  t.strictSame(reasonsOf(verify(`${headerPart}.${payloadPart}.${other[2]}`)), ["signature"]);
  t.strictSame(
    reasonsOf(verify(signRaw(headerText, payloadText, stranger))),
    ["signature"],
    "signed by another key under our kid",
  );
});

t.test("T3 a token that the gateway signed for something else is refused, each claim with its reason", async (t) => {
  const tctx = (change: JsonObject) => resign({ claims: { tctx: { ...(payload["tctx"] as JsonObject), ...change } } });
  const details = (change: object) => resign({ claims: { authorization_details: [{ ...scope, ...change }] } });
  const smallOrder = Buffer.from(`01${"00".repeat(31)}`, "hex").toString("base64url");
  const refusals: readonly Refusal[] = [
    ["another issuer", resign({ claims: { iss: "https://gate.example/" } }), "issuer"],
    ["another audience", resign({ claims: { aud: "adapter.fs" } }), "audience"],
    ["several audiences", resign({ claims: { aud: ["adapter.mail", "adapter.fs"] } }), "malformed"],
    ["another tenant", tctx({ tenant: "0199c1b2-0000-7000-8000-00000000000f" }), "subject"],
    ["another run", tctx({ run_uid: "0199c1b2-0000-7000-8000-00000000000f" }), "subject"],
    ["another step", tctx({ step: "send" }), "subject"],
    ["another attempt", tctx({ attempt: 3 }), "subject"],
    ["an older attempt", tctx({ attempt: 1 }), "subject", "superseded"],
    ["attempt 0", tctx({ attempt: 0 }), "malformed"],
    ["another subject text", resign({ claims: { sub: `${payload["sub"]}0` } }), "subject"],
    ["another request", tctx({ request_digest: requestDigest(SALT, `${REQUEST} `) }), "request_digest"],
    ["a digest in capitals", tctx({ spec_digest: "A".repeat(64) }), "malformed"],
    ["an unknown field in the context", tctx({ role: "admin" }), "malformed"],
    [
      "expired a second ago",
      resign({ claims: { iat: NOW_SEC - 300, nbf: NOW_SEC - 300, exp: NOW_SEC - 1 } }),
      "expired",
    ],
    ["expiring now", resign({ claims: { iat: NOW_SEC - 300, nbf: NOW_SEC - 300, exp: NOW_SEC } }), "expired"],
    ["not valid before 31 s", resign({ claims: { nbf: NOW_SEC + 31 } }), "not_yet_valid"],
    ["issued in 31 s", resign({ claims: { iat: NOW_SEC + 31 } }), "not_yet_valid"],
    ["a life of 901 s", resign({ claims: { exp: NOW_SEC + 901 } }), "lifetime"],
    ["a life of 901 s by its past", resign({ claims: { iat: NOW_SEC - 601 } }), "lifetime"],
    ["an end before its beginning", resign({ claims: { iat: NOW_SEC + 20, exp: NOW_SEC + 10 } }), "lifetime"],
    ["exp as text", resign({ claims: { exp: String(NOW_SEC + 300) } }), "malformed"],
    ["exp as fraction", resign({ claims: { exp: NOW_SEC + 0.5 } }), "malformed"],
    ["exp 1e400", signRaw(headerText, payloadText.replace(/"exp":[0-9]+/, '"exp":1e400')), "malformed"],
    [
      "exp beyond 2^53",
      signRaw(headerText, payloadText.replace(/"exp":[0-9]+/, '"exp":9007199254740993')),
      "malformed",
    ],
    ["exp null", resign({ claims: { exp: null } }), "malformed"],
    ["a negative nbf", resign({ claims: { nbf: -1 } }), "malformed"],
    ["an unknown claim", resign({ claims: { admin: true } }), "malformed"],
    ["an empty jti", resign({ claims: { jti: "" } }), "malformed"],
    [
      "a small-order key of the holder",
      resign({ claims: { cnf: { jwk: { kty: "OKP", crv: "Ed25519", x: smallOrder } } } }),
      "confirmation",
    ],
    [
      "a padded key of the holder",
      resign({ claims: { cnf: { jwk: { kty: "OKP", crv: "Ed25519", x: `${signer.publicJwk.x}=` } } } }),
      "confirmation",
    ],
    [
      "a private key of the holder",
      resign({ claims: { cnf: { jwk: { kty: "OKP", crv: "Ed25519", x: signer.publicJwk.x, d: "x" } } } }),
      "malformed",
    ],
    ["a holder named by thumbprint", resign({ claims: { cnf: { jkt: signer.kid } } }), "malformed"],
    ["no details", resign({ claims: { authorization_details: [] } }), "scope_malformed"],
    ["two details", resign({ claims: { authorization_details: [scope, scope] } }), "scope_malformed"],
    ["details of another type", details({ type: "urn:other" }), "scope_malformed"],
    ["an unknown field in the details", details({ everything: true }), "scope_malformed"],
    [
      "an unknown constraint",
      details({ tools: { "mail.send": { to: { constraint_type: "regex", pattern: ".*" } } } }),
      "constraint_unknown",
    ],
    [
      "an unknown constraint of a tool nobody asked for",
      details({ tools: { ...scope.tools, other: { x: { constraint_type: "cel" } } } }),
      "constraint_unknown",
    ],
    ["a limit that is not a count", details({ limits: { ...scope.limits, calls: -1 } }), "scope_malformed"],
    ["no limit of calls", details({ limits: {} }), "scope_malformed"],
  ];
  for (const [why, given, ...reasons] of refusals)
    t.test(why, async (t) => {
      t.strictSame(reasonsOf(verify(given)), reasons);
    });
  for (const claim of Object.keys(payload))
    t.test(`no ${claim}`, async (t) => {
      const { [claim]: _, ...rest } = payload;
      t.strictSame(reasonsOf(verify(signRaw(headerText, canonicalJson(rest)))), ["malformed"]);
    });
});

t.test("T3 a good token is refused where something else is expected", async (t) => {
  const refusals: readonly (readonly [why: string, change: Partial<TokenExpectation>, ...reasons: TokenReason[]])[] = [
    ["by another gateway's adapter", { issuer: "https://gate.example:443" }, "issuer"],
    ["by another adapter", { audience: "adapter.fs" }, "audience"],
    [
      "for another tenant",
      { subject: { ...subject, tenantUid: "0199c1b2-ffff-7000-8000-000000000001" as TenantUid } },
      "subject",
    ],
    [
      "for a step whose name holds the separator",
      { subject: { ...subject, stepId: "send_reply:2" as StepId } },
      "subject",
    ],
    ["for another attempt", { subject: { ...subject, attempt: 3 } }, "subject"],
    ["after a later attempt was seen", { highestAttemptSeen: 3 }, "superseded"],
    ["with another request", { request: { salt: SALT, canonical: '{"inputs":{}}' } }, "request_digest"],
    ["with another salt", { request: { salt: Buffer.alloc(32, 8), canonical: REQUEST } }, "argument", "request_digest"],
    [
      "with a short salt",
      { request: { salt: Buffer.alloc(31, 7), canonical: `\u0007${REQUEST}` } },
      "argument",
      "request_digest",
    ],
    ["with a tolerance that is no number", { clockSkewSec: Number.NaN }, "not_yet_valid"],
    ["with a highest attempt that is no number", { highestAttemptSeen: Number.NaN }, "superseded"],
    [
      "by all of it at once",
      { issuer: "x", audience: "x", subject: { ...subject, attempt: 9 }, highestAttemptSeen: 9 },
      "issuer",
      "audience",
      "subject",
      "superseded",
    ],
  ];
  for (const [why, change, ...reasons] of refusals)
    t.test(why, async (t) => {
      const verdict = verify(token, change);
      t.strictSame(reasonsOf(verdict), reasons);
      t.match(verdict, { jti: JTI }, "the signature was good, so the token has a name");
    });
});

t.test("T3 only the beginning of a life is tolerant, and never by more than a minute", async (t) => {
  const late = resign({ claims: { iat: NOW_SEC + 30, nbf: NOW_SEC + 30 } });
  t.strictSame(reasonsOf(verify(late)), []);
  t.strictSame(reasonsOf(verify(late, { clockSkewSec: 29 })), ["not_yet_valid"]);
  t.strictSame(reasonsOf(verify(resign({ claims: { nbf: NOW_SEC + 61 } }), { clockSkewSec: 86_400 })), [
    "not_yet_valid",
  ]);
  t.strictSame(reasonsOf(verify(token, { clockSkewSec: 60 }, NOW_SEC + 299)), []);
  t.strictSame(reasonsOf(verify(token, { clockSkewSec: 60 }, NOW_SEC + 300)), ["expired"]);
  t.strictSame(reasonsOf(verify(token, {}, Number.NaN)), ["expired", "not_yet_valid"]);
});

t.test("T3 the algorithm and the key come from outside the token, never from its header", async (t) => {
  const publicKey = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: signer.publicJwk.x }, format: "jwk" });
  const hmac = (secret: string | Buffer) => {
    const signed = `${base64url(canonicalJson({ ...header, alg: "HS256" }))}.${payloadPart}`;
    return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
  };
  const strangersJwk = { kty: "OKP", crv: "Ed25519", x: stranger.publicJwk.x };
  const withHeader = (change: object, by = signer) =>
    signRaw(canonicalJson({ ...header, ...change } as JsonObject), payloadText, by);
  const { kid: _kid, ...withoutKid } = header;
  const { typ: _typ, ...withoutTyp } = header;
  const { alg: _alg, ...withoutAlg } = header;
  const refusals: readonly Refusal[] = [
    ["alg none, unsigned", `${base64url(canonicalJson({ ...header, alg: "none" }))}.${payloadPart}.`, "algorithm"],
    ["alg none, signed", withHeader({ alg: "none" }), "algorithm"],
    ["alg nOnE", withHeader({ alg: "nOnE" }), "algorithm"],
    ["alg EdDSA", withHeader({ alg: "EdDSA" }), "algorithm"],
    ["alg ed25519", withHeader({ alg: "ed25519" }), "algorithm"],
    ["alg ES256", withHeader({ alg: "ES256" }), "algorithm"],
    ["alg null", withHeader({ alg: null }), "algorithm"],
    ["no alg", signRaw(canonicalJson(withoutAlg), payloadText), "algorithm"],
    ["HS256 with the raw public key", hmac(Buffer.from(signer.publicJwk.x, "base64url")), "algorithm"],
    ["HS256 with the public key as PEM", hmac(publicKey.export({ type: "spki", format: "pem" })), "algorithm"],
    ["HS256 with the public key as DER", hmac(publicKey.export({ type: "spki", format: "der" })), "algorithm"],
    ["HS256 with the public key's JWK text", hmac(JSON.stringify(signer.publicJwk)), "algorithm"],
    ["an unknown kid", withHeader({ kid: stranger.kid }, stranger), "unknown_key"],
    ["a kid of the prototype", withHeader({ kid: "constructor" }), "unknown_key"],
    ["a kid that is a path", withHeader({ kid: "../../dev/null" }), "unknown_key"],
    ["a kid that is an object", withHeader({ kid: {} }), "unknown_key"],
    ["no kid", signRaw(canonicalJson(withoutKid), payloadText), "unknown_key"],
    ["an embedded key", withHeader({ jwk: strangersJwk }, stranger), "header"],
    [
      "an embedded key, its own kid",
      withHeader({ jwk: strangersJwk, kid: stranger.kid }, stranger),
      "header",
      "unknown_key",
    ],
    [
      "an embedded key that is ours",
      withHeader({ jwk: { kty: "OKP", crv: "Ed25519", x: signer.publicJwk.x } }),
      "header",
    ],
    ["jku", withHeader({ jku: "https://evil.example/jwks.json" }), "header"],
    ["x5u", withHeader({ x5u: "https://evil.example/cert.pem" }), "header"],
    ["x5c", withHeader({ x5c: ["MIIB"] }), "header"],
    ["crit", withHeader({ crit: ["exp"] }), "header"],
    ["an empty crit", withHeader({ crit: [] }), "header"],
    ["b64 false", withHeader({ b64: false }), "header"],
    ["b64 false with crit", withHeader({ b64: false, crit: ["b64"] }), "header"],
    ["zip", withHeader({ zip: "DEF" }), "header"],
    ["cty", withHeader({ cty: "JWT" }), "header"],
    ["typ JWT", withHeader({ typ: "JWT" }), "type"],
    ["typ at+jwt", withHeader({ typ: "at+jwt" }), "type"],
    ["typ with its media type", withHeader({ typ: "application/stepgate.cap+jwt" }), "type"],
    ["typ in another case", withHeader({ typ: "Stepgate.Cap+JWT" }), "type"],
    ["no typ", signRaw(canonicalJson(withoutTyp), payloadText), "type"],
    [
      "all of it at once",
      withHeader({ alg: "none", typ: "JWT", kid: "x", jwk: {} }),
      "header",
      "algorithm",
      "type",
      "unknown_key",
    ],
  ];
  for (const [why, given, ...reasons] of refusals)
    t.test(why, async (t) => {
      t.strictSame(verify(given), { ok: false, reasons, jti: undefined });
    });
});

t.test("T3 a token has one spelling", async (t) => {
  const spoilt = (part: number, change: (text: string) => string) =>
    token
      .split(".")
      .map((text, index) => (index === part ? change(text) : text))
      .join(".");
  const flipUnusedBits = (text: string) => `${text.slice(0, -1)}${nextCharacter(text.at(-1) ?? "")}`;
  const odd = resign({ claims: { jti: `${JTI}-odd` } });
  const longer = [resign({ claims: { jti: `${JTI}-1` } }), odd].find(
    (text) => (text.split(".")[1] ?? "").length % 4 !== 0,
  );
  const deep = "[".repeat(17) + "]".repeat(17);
  const variants: readonly Refusal[] = [
    ["nothing at all", "", "missing"],
    ["one part", headerPart, "malformed"],
    ["two parts", `${headerPart}.${payloadPart}`, "malformed"],
    ["four parts", `${token}.${signaturePart}`, "malformed"],
    ["five parts", `${headerPart}.${payloadPart}.${signaturePart}.${payloadPart}.${signaturePart}`, "malformed"],
    [
      "JSON serialization",
      JSON.stringify({ payload: payloadPart, protected: headerPart, signature: signaturePart }),
      "malformed",
    ],
    ["an empty header", `.${payloadPart}.${signaturePart}`, "malformed"],
    ["an empty payload", `${headerPart}..${signaturePart}`, "malformed"],
    ["no signature", `${headerPart}.${payloadPart}.`, "signature"],
    ["a short signature", `${headerPart}.${payloadPart}.${base64url(Buffer.alloc(63))}`, "signature"],
    ["padding", `${token}==`, "malformed"],
    ["padding inside", spoilt(1, (text) => `${text}=`), "malformed"],
    ["a space after it", `${token} `, "malformed"],
    ["a space before it", ` ${token}`, "malformed"],
    ["a line feed after it", `${token}\n`, "malformed"],
    ["a space in the header", spoilt(0, (text) => `${text.slice(0, 4)} ${text.slice(4)}`), "malformed"],
    ["a line feed in the payload", spoilt(1, (text) => `${text.slice(0, 4)}\n${text.slice(4)}`), "malformed"],
    ["a question mark in the signature", spoilt(2, (text) => `${text.slice(0, 4)}?${text.slice(4)}`), "malformed"],
    ["standard base64", spoilt(2, () => "+/".repeat(43)), "malformed"],
    ["unused bits in the signature", spoilt(2, flipUnusedBits), "malformed"],
    [
      "unused bits in the payload",
      (longer ?? "").replace(/\.([^.]+)\./, (_, text: string) => `.${flipUnusedBits(text)}.`),
      "malformed",
    ],
    [
      "a lone character in the header",
      spoilt(0, (text) => `${text}A`.slice(0, Math.ceil(text.length / 4) * 4 + 1)),
      "malformed",
    ],
    [
      "two alg in the header",
      signRaw(headerText.replace('"alg":"Ed25519"', '"alg":"none","alg":"Ed25519"'), payloadText),
      "malformed",
    ],
    ["two kid in the header", signRaw(headerText.replace("{", `{"kid":"${stranger.kid}",`), payloadText), "malformed"],
    ["a key twice by an escape", signRaw(headerText.replace("{", '{"\\u0061lg":"none",'), payloadText), "malformed"],
    ["two aud in the payload", signRaw(headerText, payloadText.replace("{", '{"aud":"adapter.fs",')), "malformed"],
    [
      "two limits deep in the payload",
      signRaw(headerText, payloadText.replace('"calls":2', '"calls":2,"calls":9')),
      "malformed",
    ],
    ["__proto__ in the header", signRaw(headerText.replace("{", '{"__proto__":{},'), payloadText), "malformed"],
    ["__proto__ in the payload", signRaw(headerText, payloadText.replace("{", '{"__proto__":{},')), "malformed"],
    ["a header that is a list", signRaw(`[${headerText}]`, payloadText), "malformed"],
    ["a header that is text", signRaw('"x"', payloadText), "malformed"],
    ["a byte order mark", signRaw(`\ufeff${headerText}`, payloadText), "malformed"],
    ["a header 17 deep", signRaw(headerText.replace("{", `{"a":${deep},`), payloadText), "malformed"],
    ["a payload 17 deep", signRaw(headerText, payloadText.replace("{", `{"a":${deep},`)), "malformed"],
    ["a payload that is no JSON", signRaw(headerText, "hello"), "malformed"],
    ["a payload that is a list", signRaw(headerText, `[${payloadText}]`), "malformed"],
    ["a payload that is not UTF-8", signRaw(headerText, Buffer.from([0x7b, 0xff, 0x7d])), "malformed"],
    ["a payload with a second value", signRaw(headerText, `${payloadText}{}`), "malformed"],
    ["more than 8 KiB", resign({ claims: { jti: "j".repeat(8_000) } }), "malformed"],
  ];
  t.ok(longer, "a payload with unused bits was found");
  for (const [why, given, ...reasons] of variants)
    t.test(why, async (t) => {
      t.not(given, token, "it is another text");
      t.strictSame(reasonsOf(verify(given)), reasons);
    });
});

t.test("T3 a token of 8 MB costs no more than its length", async (t) => {
  const huge = `${headerPart}.${"a".repeat(8_000_000)}.${signaturePart}`;
  const before = process.cpuUsage();
  t.strictSame(reasonsOf(verify(huge)), ["malformed"]);
  const { user, system } = process.cpuUsage(before);
  t.ok(user + system < 50_000, `${user + system} µs`);
});

/** Paths of all values in a claim set that are neither list nor object. */
function leaves(value: JsonValue, path: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value !== "object" || value === null) return [path];
  return Object.entries(value).flatMap(([key, member]) => leaves(member, [...path, key]));
}

function alter(value: JsonValue, [key, ...rest]: readonly string[]): JsonValue {
  if (key === undefined) return typeof value === "number" ? value + 1 : `${value}x`;
  const members = Object.entries(value as JsonObject).map(([name, member]) => [
    name,
    name === key ? alter(member, rest) : member,
  ]);
  const changed: JsonObject = Object.fromEntries(members);
  return Array.isArray(value) ? Object.values(changed) : changed;
}

/** The next base64url character: for the last one of a part it differs in bits that nobody reads. */
function nextCharacter(character: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return alphabet[(alphabet.indexOf(character) + 1) % 64] ?? "";
}
