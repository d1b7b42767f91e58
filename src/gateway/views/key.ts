/**
 * API keys as callers see them. The secret leaves once, in the answer that makes the key.
 *
 * Not here: signing keys (jwks in health.ts), how a key is stored (storage/).
 */
import Type from "typebox";
import { ROLES } from "../roles.ts";
import { name, named, oneOf, page, ref, text, time, type View } from "./schema.ts";

const KEY_SCOPES = ["tenant", "instance"] as const;

const roles = Type.Array(oneOf(ROLES, "A role."), {
  minItems: 1,
  uniqueItems: true,
  description: "What it may do; `platform` only with scope `instance`.",
});
const keyFields = {
  owner: Type.String({ minLength: 1, maxLength: 256, description: "The person or service that holds it." }),
  roles,
};

export const KeySubmission = named(
  "KeySubmission",
  {
    ...keyFields,
    scope: Type.Optional(
      oneOf(KEY_SCOPES, "`tenant` (default): the caller's tenant; `instance`: every tenant, made by `platform` alone."),
    ),
    expires_at: Type.Optional(time("When it stops working. Default: never.")),
  },
  "A new key.",
);
export type KeySubmission = View<typeof KeySubmission>;

const keyView = {
  key_id: text("Its public part."),
  ...keyFields,
  scope: oneOf(KEY_SCOPES, "Whose things it reaches."),
  tenant_id: Type.Optional(name("Its tenant; absent with scope `instance`.")),
  created_at: time("When it was made."),
  expires_at: Type.Optional(time("When it stops working.")),
  revoked_at: Type.Optional(time("When it was revoked.")),
  last_used_at: Type.Optional(time("When it was last used, to the minute.")),
};

export const KeyView = named("KeyView", keyView, "A key without its secret.");
export type KeyView = View<typeof KeyView>;

export const NewKeyView = named(
  "NewKeyView",
  {
    ...keyView,
    secret: Type.Optional(text("`sg_<id>_<secret>`, shown once: a repeated request gets the key without it.")),
  },
  "A key just made.",
);
export type NewKeyView = View<typeof NewKeyView>;

export const KeyPage = page("KeyPage", ref(KeyView), "Keys, newest first.");
export type KeyPage = View<typeof KeyPage>;
