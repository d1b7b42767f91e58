/**
 * What a process says about itself without being asked who asks: alive, ready, its public keys.
 *
 * Names, yes or no, and what to do; no place and no identifier, since nobody needs a key to read it. Not here: the checks (main.ts).
 */
import Type from "typebox";
import { closedObject, named, oneOf, text, type View } from "./schema.ts";

export const HealthView = named("HealthView", { status: oneOf(["ok"], "Always `ok`.") }, "The process answers.");

export const ReadyView = named(
  "ReadyView",
  {
    ready: Type.Boolean({ description: "Whether work may be sent here." }),
    checks: Type.Array(
      closedObject(
        {
          name: text("What was checked."),
          ok: Type.Boolean({ description: "Whether it holds." }),
          code: Type.Optional(text("The error code of what does not hold.")),
          advice: Type.Optional(text("What sets it right.")),
        },
        "A check.",
      ),
    ),
    warnings: Type.Optional(
      Type.Array(
        closedObject(
          {
            name: text("What is not well."),
            about: text("What it is, and for how long."),
            advice: text("What sets it right."),
          },
          "A warning.",
        ),
        { description: "What serves still and should be looked at soon. Absent: nothing." },
      ),
    ),
  },
  "Whether the process can serve.",
);
export type ReadyView = View<typeof ReadyView>;

export const JwksView = named(
  "JwksView",
  {
    keys: Type.Array(
      closedObject(
        {
          kty: oneOf(["OKP"], "RFC 8037."),
          crv: oneOf(["Ed25519"], "RFC 8037."),
          x: text("The public key, base64url."),
          kid: text("RFC 7638 thumbprint."),
          alg: oneOf(["Ed25519"], "RFC 9864."),
          use: oneOf(["sig"], "RFC 7517."),
        },
        "A public key.",
      ),
    ),
  },
  "Keys that verify capability tokens (RFC 7517).",
);
export type JwksView = View<typeof JwksView>;
