/**
 * Wycheproof (SOURCE.txt): Ed25519 through our signature check, JSON Web Signatures through our parser and verifier.
 *
 * The JWS vectors use algorithms and headers that our profile refuses, so none may pass; those whose text is malformed
 * must be refused for exactly that.
 */
import { readFileSync } from "node:fs";
import t from "tap";
import { parseToken } from "../../../src/capability/parse-token.ts";
import { checkSignature, verifyToken } from "../../../src/capability/verify-token.ts";
import type { TokenKey } from "../../../src/core/capability.ts";
import { readEd25519Key } from "../../../src/core/ed25519.ts";
import { expected, keysOf, NOW_SEC, signer } from "../../capability/issuer.ts";

interface Suite<Group> {
  readonly numberOfTests: number;
  readonly testGroups: readonly Group[];
}
interface Row {
  readonly tcId: number;
  readonly comment: string;
  readonly result: "valid" | "invalid";
}
interface Ed25519Group {
  readonly publicKeyJwk: { readonly x: string };
  readonly tests: readonly (Row & { readonly msg: string; readonly sig: string })[];
}
interface JwsGroup {
  readonly tests: readonly (Row & { readonly jws: string })[];
}

const read = <Group>(name: string): Suite<Group> => JSON.parse(readFileSync(new URL(name, import.meta.url), "utf8"));

/**
 * Vectors whose text is not three full base64url parts. 372 and 373 hold a `?` and are called valid, a lenient reading that
 * the suite tolerates; an empty payload is valid in general but never a token. 367 and 370 are not here: their comments
 * name a wrong padding, but the text is the well-formed one.
 */
const MALFORMED: ReadonlySet<number> = new Set([
  ...[4, 6, 7, 9, 10, 11, 12, 13, 14, 15, 17, 21, 23, 24, 26, 27, 28, 29, 30, 36, 38, 39, 41, 42, 43, 44, 45],
  ...[259, 264, 268, 272, 320, 325],
  ...[360, 361, 362, 363, 364, 365, 366, 368, 369, 371, 372, 373, 374, 375],
]);

t.test("Ed25519: every vector is answered as Wycheproof says", async (t) => {
  const suite = read<Ed25519Group>("ed25519_test.json");
  let count = 0;
  for (const { publicKeyJwk, tests } of suite.testGroups) {
    const publicKey = readEd25519Key(publicKeyJwk.x);
    if (publicKey === undefined) throw new Error(`key ${publicKeyJwk.x} is refused`);
    const key: TokenKey = { kid: "wycheproof", alg: "Ed25519", publicKey };
    for (const { tcId, comment, result, msg, sig } of tests) {
      const signingInput = Buffer.from(msg, "hex").toString("latin1");
      const parsed = { header: {}, signingInput, payload: new Uint8Array(), signature: Buffer.from(sig, "hex") };
      t.equal(checkSignature("", parsed, key), result === "valid", `${tcId} ${comment} ${result}`);
      count += 1;
    }
  }
  t.equal(count, suite.numberOfTests);
});

t.test("JSON Web Signatures: none passes, and what is malformed is refused as that", async (t) => {
  const rows = read<JwsGroup>("json_web_signature_test.json").testGroups.flatMap(({ tests }) => tests);
  t.equal(rows.length, 401);
  for (const { tcId, comment, jws } of rows) {
    const verdict = verifyToken(jws, keysOf(signer), expected, NOW_SEC);
    t.notOk(verdict.ok, `${tcId} ${comment} does not pass`);
    t.equal(!parseToken(jws).ok, MALFORMED.has(tcId), `${tcId} ${comment}, whether its text is well formed`);
  }
});
