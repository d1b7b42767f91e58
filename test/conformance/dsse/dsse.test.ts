/** The published DSSE vector: pre-authentication encoding, and its ECDSA signature over our encoding. */
import { createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import t from "tap";
import { preAuthEncoding } from "../../../src/evidence/dsse.ts";

interface Vector {
  readonly payload_utf8: string;
  readonly payloadType: string;
  readonly pae: string;
  readonly key: { readonly x_dec: string; readonly y_dec: string };
  readonly envelope: { readonly payload: string; readonly signatures: readonly [{ readonly sig: string }] };
}
const vector: Vector = JSON.parse(readFileSync(new URL("vector.json", import.meta.url), "utf8"));

t.test("the encoding of the vector is the published one, and the published signature fits it", async (t) => {
  const encoded = preAuthEncoding(vector.payloadType, Buffer.from(vector.envelope.payload, "base64"));
  t.equal(Buffer.from(encoded).toString(), vector.pae);
  const [x, y] = [vector.key.x_dec, vector.key.y_dec].map((number) =>
    Buffer.from(BigInt(number).toString(16).padStart(64, "0"), "hex").toString("base64url"),
  );
  const key = createPublicKey({ key: { kty: "EC", crv: "P-256", x: x ?? "", y: y ?? "" }, format: "jwk" });
  const signature = Buffer.from(vector.envelope.signatures[0].sig, "base64");
  t.equal(verify("sha256", encoded, { key, dsaEncoding: "ieee-p1363" }, signature), true);
  const other = preAuthEncoding(`${vector.payloadType}2`, Buffer.from(vector.payload_utf8));
  t.equal(verify("sha256", other, { key, dsaEncoding: "ieee-p1363" }, signature), false, "the control: another type");
});

t.test("lengths are counted in bytes", async (t) => {
  t.equal(Buffer.from(preAuthEncoding("ü", Buffer.from("é"))).toString(), "DSSEv1 2 ü 2 é");
});
